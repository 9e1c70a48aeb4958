/**
 * Request headers that say how a resource is to be given, beside those of Grafana's front end: all that plugins and datasources
 * get of a client's, unless the host's owner names more. Not in it: who the client is, where he comes from, what logs him in.
 */
export const resourceHeaderNames: ReadonlyArray<string> = [
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'content-encoding',
  'content-language',
  'content-type',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'pragma',
  'prefer',
  'range',
  'x-ds-authorization',
  'x-requested-with',
]
