{{- define "rdma-dp.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of every object: the release's, unless that says rdma-dp already. */}}
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

{{/* "true" where CDI specs are written: by the flag, or by the config. */}}
{{- define "rdma-dp.writesCdi" -}}
{{- $wanted := "" -}}
{{- if not .Values.existingConfigMap -}}{{- $wanted = .Values.config.cdi | default "" -}}{{- end -}}
{{- if or .Values.cdi.enabled (has $wanted (list "cri" "annotations" "both")) -}}true{{- end -}}
{{- end -}}

{{/* "true" where device-info files are written. */}}
{{- define "rdma-dp.writesDeviceInfo" -}}
{{- $wanted := .Values.deviceInfo.mount -}}
{{- if not .Values.existingConfigMap -}}
{{- range .Values.config.configList -}}{{- if .deviceInfo -}}{{- $wanted = true -}}{{- end -}}{{- end -}}
{{- end -}}
{{- if $wanted -}}true{{- end -}}
{{- end -}}

{{/* "true" where the pod may set links up: by the flag, or by the config. */}}
{{- define "rdma-dp.setsLinksUp" -}}
{{- if or .Values.setLinksUp (and (not .Values.existingConfigMap) .Values.config.setLinksUp) -}}true{{- end -}}
{{- end -}}

{{/* Root, because kubelet's directories belong to root; no privilege beyond that. */}}
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

{{/* container-selinux has a type for device plugins; it may not write to CDI's or Multus' directory. */}}
{{- define "rdma-dp.seLinuxType" -}}
{{- if .Values.seLinuxType -}}
{{- .Values.seLinuxType -}}
{{- else if and .Values.openshift.enabled (not .Values.privileged) -}}
{{- if or (include "rdma-dp.writesCdi" .) (include "rdma-dp.writesDeviceInfo" .) -}}
spc_t
{{- else -}}
container_device_plugin_t
{{- end -}}
{{- end -}}
{{- end -}}
