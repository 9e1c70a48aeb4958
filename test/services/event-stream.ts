/** What an EventSource dispatches. */
export interface ServerEvent {
  readonly type: string
  readonly data: string
}

/** All events of a stream that has ended. Source: HTML, server-sent events, "interpreting an event stream". */
export const parseEvents = (text: string): ReadonlyArray<ServerEvent> => {
  const events: ServerEvent[] = []
  let type = ''
  let data = ''
  const lines = text.split(/\r\n|\r|\n/)
  for (const line of lines.slice(0, -1)) {
    if (line === '') {
      if (data !== '') events.push({ type: type === '' ? 'message' : type, data: data.slice(0, -1) })
      type = ''
      data = ''
      continue
    }
    const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/su.exec(line) ?? []
    if (field === 'event') type = value
    if (field === 'data') data += `${value}\n`
  }
  return events
}
