import { forwardedQuery } from './forwarded-query.ts'

/** Where a resource is, in the two spellings that a plugin gets. */
export interface ResourcePath {
  /** Decoded. Shape: `metrics/find me`. */
  readonly path: string
  /** As it came, with the query. Shape: `metrics/find%20me?limit=5`. */
  readonly url: string
}

/**
 * What would be a part of a URL's structure if it were read anew: the plugin SDK's httpadapter puts `path` into a URL, so that a
 * decoded `admin%3Fx` would be the path `admin`, and `%2F%2Fhost%2Fadmin` too.
 */
const structure = /[%/\\?#]/g

const decode = (segment: string): string =>
  segment.includes('%') ? decodeURIComponent(segment).replace(structure, encodeURIComponent) : segment

/** Go takes what stands before a colon for a scheme. RFC 3986, 4.2. */
const withoutScheme = (encoded: string): string =>
  encoded.replace(/^[^/]*/, (segment) => segment.replaceAll(':', '%3A'))

/**
 * `encoded`: a path without leading slash, whose percent-encoding is right. In `path` each segment is percent-decoded, as Grafana
 * has it, but `%2F`, `%5C`, `%3F`, `%23` and `%25` stay, so that it names what was matched however it is read. `url` holds the
 * same bytes as the request, without the parameters that log a client in.
 */
export const resourcePath = (encoded: string, query: string): ResourcePath => {
  const rest = forwardedQuery(query)
  return {
    path: encoded.split('/').map(decode).join('/'),
    url: `${withoutScheme(encoded)}${rest === '' ? '' : `?${rest}`}`,
  }
}
