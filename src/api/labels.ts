/** What Kubernetes takes for labels and annotations. Source: IsQualifiedName, IsValidLabelValue, ValidateAnnotations of apimachinery. */

const name = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/
const prefix = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

const isQualifiedName = (key: string): boolean => {
  const slash = key.indexOf('/')
  const local = key.slice(slash + 1)
  const isPrefixRight = slash === -1 || (slash <= 253 && prefix.test(key.slice(0, slash)))
  return isPrefixRight && local.length <= 63 && name.test(local)
}

const maxAnnotationBytes = 256 * 1024

/** Shape: `{ "app.kubernetes.io/name": "db" }`. Pure. */
export const areLabels = (labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(labels).every(
    ([key, value]) => isQualifiedName(key) && (value === '' || (value.length <= 63 && name.test(value))),
  )

/** Keys in any case, values of any text, and 256 KiB of all of them. Pure. */
export const areAnnotations = (annotations: Readonly<Record<string, string>>): boolean => {
  const entries = Object.entries(annotations)
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0)
  return bytes <= maxAnnotationBytes && entries.every(([key]) => isQualifiedName(key.toLowerCase()))
}
