// At most 63 characters reach these, so that it costs nothing that the first one may go back.
const name = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/
const domainPart = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/

const isName = (text: string): boolean => text.length <= 63 && name.test(text)

const isDomain = (text: string): boolean =>
  text.length <= 253 && text.split('.').every((part) => part.length <= 253 && domainPart.test(part))

const nameRule =
  "must be 1 to 63 characters, alphanumeric, '-', '_' or '.', and must start and end with an alphanumeric character"

/** What is wrong with the key of a label. Source: qualified names of apimachinery. */
export const faultOfLabelKey = (key: string): string | undefined => {
  const slash = key.indexOf('/')
  if (slash !== -1 && !isDomain(key.slice(0, slash))) {
    return 'prefix part must be a DNS subdomain of lower case alphanumeric characters, - or ., at most 253 characters'
  }
  return isName(key.slice(slash + 1)) ? undefined : `name part ${nameRule}`
}

/** What is wrong with the value of a label; an empty one is none. */
export const faultOfLabelValue = (value: string): string | undefined =>
  value === '' || isName(value) ? undefined : `a valid label must be empty, or ${nameRule}`
