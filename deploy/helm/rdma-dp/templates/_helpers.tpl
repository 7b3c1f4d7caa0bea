{{- define "rdma-dp.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of every object: the release and the chart, or only the release if it contains the chart's name. */}}
{{- define "rdma-dp.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "rdma-dp.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "rdma-dp.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "rdma-dp.selectorLabels" -}}
app.kubernetes.io/name: {{ include "rdma-dp.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "rdma-dp.labels" -}}
{{ include "rdma-dp.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "rdma-dp.configMap" -}}
{{- .Values.existingConfigMap | default (include "rdma-dp.fullname" .) -}}
{{- end -}}

{{/* "true" if the flag or the config makes the daemon write CDI specs. */}}
{{- define "rdma-dp.writesCdi" -}}
{{- $wanted := "" -}}
{{- if not .Values.existingConfigMap -}}{{- $wanted = .Values.config.cdi | default "" -}}{{- end -}}
{{- if or .Values.cdi.enabled (has $wanted (list "cri" "annotations" "both")) (include "rdma-dp.usesDra" .) -}}true{{- end -}}
{{- end -}}

{{/* "true" with the token and the mounts of DRA. A config with a resource via DRA needs them. */}}
{{- define "rdma-dp.usesDra" -}}
{{- if .Values.dra.enabled -}}true{{- else if not .Values.existingConfigMap -}}
{{- range .Values.config.configList -}}{{- if eq (.via | default "plugin") "dra" -}}
{{- fail "config has via: dra. Set dra.enabled=true too, and keep it until no pod has a claim of rdma-dp: without the token and the mounts such pods cannot end" -}}
{{- end -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the config has under `dra`. The chart cannot read an existing ConfigMap. */}}
{{- define "rdma-dp.draDriver" -}}
{{- $name := .Values.dra.driverName -}}
{{- if not .Values.existingConfigMap -}}{{- $name = (.Values.config.dra | default dict).driverName | default $name -}}{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "rdma-dp.draClaimStatus" -}}
{{- $wanted := .Values.dra.claimStatus -}}
{{- if not .Values.existingConfigMap -}}{{- $wanted = (.Values.config.dra | default dict).claimStatus | default $wanted -}}{{- end -}}
{{- if $wanted -}}true{{- end -}}
{{- end -}}

{{/* "true" if the daemon writes device-info files. */}}
{{- define "rdma-dp.writesDeviceInfo" -}}
{{- $wanted := .Values.deviceInfo.mount -}}
{{- if not .Values.existingConfigMap -}}
{{- range .Values.config.configList -}}{{- if .deviceInfo -}}{{- $wanted = true -}}{{- end -}}{{- end -}}
{{- end -}}
{{- if $wanted -}}true{{- end -}}
{{- end -}}

{{/* What the metrics have about pods: none, allocations or queuePairs. Each needs more of the node. */}}
{{- define "rdma-dp.podMetrics" -}}
{{- $wanted := .Values.metrics.pods -}}
{{- if not .Values.existingConfigMap -}}
{{- $wanted = (.Values.config.metrics | default dict).pods | default $wanted -}}
{{- end -}}
{{- if .Values.metrics.enabled -}}{{- $wanted -}}{{- else -}}none{{- end -}}
{{- end -}}

{{/* "true" if kubelet is asked for its pods: for their metrics, and for claims that it has forgotten. */}}
{{- define "rdma-dp.readsPodResources" -}}
{{- if or (include "rdma-dp.usesDra" .) (ne (include "rdma-dp.podMetrics" .) "none") -}}true{{- end -}}
{{- end -}}

{{/* "true" if the flag or the config makes the daemon set links up. */}}
{{- define "rdma-dp.setsLinksUp" -}}
{{- if or .Values.setLinksUp (and (not .Values.existingConfigMap) .Values.config.setLinksUp) -}}true{{- end -}}
{{- end -}}

{{/* Root, because kubelet's directories belong to root. No other privilege. */}}
{{- define "rdma-dp.securityContext" -}}
runAsUser: 0
privileged: {{ .Values.privileged }}
readOnlyRootFilesystem: true
{{- if not .Values.privileged }}
allowPrivilegeEscalation: false
capabilities:
  drop: ["ALL"]
  {{- if include "rdma-dp.setsLinksUp" . }}
  add: ["NET_ADMIN"]
  {{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}
{{- with include "rdma-dp.seLinuxType" . }}
seLinuxOptions:
  type: {{ . }}
{{- end }}
{{- end -}}

{{/* The type for device plugins in container-selinux may not write to the directories of CDI, Multus and NFD. */}}
{{- define "rdma-dp.seLinuxType" -}}
{{- if .Values.seLinuxType -}}
{{- .Values.seLinuxType -}}
{{- else if and .Values.openshift.enabled (not .Values.privileged) -}}
{{- if or (include "rdma-dp.writesCdi" .) (include "rdma-dp.writesDeviceInfo" .) .Values.nodeFeatures.enabled -}}
spc_t
{{- else -}}
container_device_plugin_t
{{- end -}}
{{- end -}}
{{- end -}}
