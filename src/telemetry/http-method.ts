const known = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'])

/** A method of RFC 9110, or PATCH. Any other is a text of the client's choice, which names no series and no span. */
export const isKnownMethod = (method: string): boolean => known.has(method)
