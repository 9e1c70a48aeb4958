import type { HeaderMap } from '../http.ts'

/** Clients give up on 16 KiB of headers, and escapes can double a text. */
const maxBytes = 4096
const maxTextLength = 256

/** A character beyond Latin-1 goes out as its bytes in UTF-8, as Go writes it. */
const toHeader = (text: string): string => `299 - "${Buffer.from(text.replace(/["\\]/g, '\\$&')).toString('latin1')}"`

const sizeOf = (texts: ReadonlyArray<string>): number => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)

const capped = (texts: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (sizeOf(texts) <= maxBytes) return texts
  let bytes = 0
  return texts
    .map((text) => text.slice(0, maxTextLength))
    .filter((text) => (bytes += Buffer.byteLength(text)) <= maxBytes)
}

/** What a client is warned of, each once, as far as headers reach; what no header can carry is left out. Source: warning of apiserver. */
export const warningHeaders = (texts: ReadonlyArray<string>): HeaderMap => {
  const sayable = [...new Set(texts)].filter((text) => !/[\p{Cc}\p{Surrogate}]/u.test(text))
  return sayable.length === 0 ? {} : { warning: capped(sayable).map(toHeader) }
}
