/**
 * One canonical path: the path that is matched and authorized is the path that is sent on. Where two readers of a URL could
 * disagree about what it names, it is ambiguous, and refused if anybody claims one of its readings.
 */

/** A path cut at its slashes, each segment as it came and percent-decoded once; `undefined` where it cannot be decoded. */
export interface Reading {
  readonly raw: ReadonlyArray<string>
  readonly decoded: ReadonlyArray<string | undefined>
}

const question = 0x3f
const hash = 0x23
const slash = 0x2f
const dot = 0x2e

/** By char code: 1 for the slash and what stands for itself in a segment, pchar of RFC 3986 without percent-encoding and `;`. */
const plain = new Uint8Array(128)
for (const char of "/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@") {
  plain[char.charCodeAt(0)] = 1
}

/** Index of the end of the path in a request target. */
export const endOfPath = (url: string): number => {
  for (let i = 0; i < url.length; i++) {
    const code = url.charCodeAt(i)
    if (code === question || code === hash) return i
  }
  return url.length
}

/**
 * Index up to which a path can be read in one way only, and each segment stands for itself: no empty and no dot segment, no
 * backslash, no parameters behind `;`, no percent-encoding, and nothing that would need one. A path that is plain to its end needs no second look.
 */
export const endOfPlain = (url: string): number => {
  let previous = 0
  for (let i = 0; i < url.length; i++) {
    const code = url.charCodeAt(i)
    if (plain[code] !== 1) return i
    if (previous === slash && (code === slash || code === dot)) return i
    previous = code
  }
  return url.length
}

/** Says that a path is plain up to `end`. All others are read twice, carefully. */
export const isPlain = (url: string, end: number): boolean => endOfPlain(url) >= end

/** The path of a request target in any form: a server must take `GET http://host/apis/…` too, and the next reader does. RFC 9112, 3.2.2. */
export const originForm = (url: string): string =>
  url.startsWith('/') ? url : url.replace(/^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#]*/, '')

const decode = (segment: string): string | undefined => {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** More segments than any template has: what comes behind is a tail, if anything. */
const maxMatched = 64

/** The strict reading: what the bytes say. */
export const readStrictly = (path: string): Reading => {
  const raw = path.slice(1).split('/')
  let undecodable = 0
  const decoded = raw.map((segment) => {
    // Each of them costs an exception.
    const text = undecodable < maxMatched ? decode(segment) : undefined
    if (text === undefined) undecodable++
    return text
  })
  return { raw, decoded }
}

/** Decodes what is ASCII, all that templates consist of, whatever stands beside it: lenient servers take no offence at a bad sequence. */
export const decodeAscii = (text: string): string => text.replace(/%[0-7][0-9A-Fa-f]/g, decodeURIComponent)

/** Cuts a text and resolves its dot segments. `..` takes back an empty segment, as RFC 3986 has it, unless those are dropped first. */
const resolve = (text: string, separator: string | RegExp, dropsEmpty: boolean): string[] => {
  const segments: string[] = []
  for (const segment of text.split(separator)) {
    if (segment === '..') segments.pop()
    else if (segment !== '.' && !(dropsEmpty && segment === '')) segments.push(segment)
  }
  return segments
}

/** The path, and what is left of it where a part is taken for something else: a host (browsers), the end (C), parameters (Tomcat). */
const shortened = (path: string): ReadonlySet<string> => {
  const withoutHost = path.replace(/^[/\\]{2,}[^/\\]*/, '')
  const upToNul = [path, withoutHost].flatMap((text) => [text, text.replace(/%00.*/, '')])
  return new Set(upToNul.flatMap((text) => [text, text.replace(/;[^/\\]*/g, '')]))
}

const isNotEmpty = (segment: string): boolean => segment !== ''

/** One path resolved and decoded in every order. */
const readingsOf = (path: string): ReadonlyArray<ReadonlyArray<string>> => {
  const text = path.slice(1)
  const withDots = text.replace(/%2e/gi, '.')
  const withoutParameters = withDots.replace(/(?<=^|[/\\])(\.\.?);[^/\\]*/g, '$1')
  const end = path.endsWith('/') ? [''] : []
  return ['/', /[/\\]/].flatMap((separator) => {
    const once = [
      resolve(text, separator, true), // path.Clean of Go, or posix.normalize of Node, on what came
      resolve(withDots, separator, false), // RFC 3986; with backslashes, the URL of browsers
    ]
    const decoded = [text, withoutParameters, ...once.map((segments) => segments.join('/'))].map(decodeAscii)
    return [
      ...once.map((segments) => [...segments.filter(isNotEmpty), ...end].slice(0, maxMatched).map(decodeAscii)),
      ...decoded.map((all) => [...resolve(all, separator, true), ...end].slice(0, maxMatched)), // nginx; Tomcat the second
    ]
  })
}

/**
 * What servers might make of a path. They differ in what they decode before they resolve dot segments, in what `..` takes back, in
 * what they cut off, in whether `..;x` is a dot segment, and in whether a backslash is a slash; and behind one that decodes nothing but dots stands another
 * that decodes the rest. A slash at the end stays: with it, a path names something else.
 */
export const readLoosely = (target: string): ReadonlyArray<ReadonlyArray<string>> =>
  [...shortened(target)].flatMap(readingsOf)

const hasControl = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}

const isVisibleAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f) return false
  }
  return true
}

/** A dot segment, also behind an encoded slash, and with parameters behind it, which some servers cut off first: `..;x`. */
const dots = /(?:^|[/\\])\.\.?(?:[;/\\]|$)/

/** What is wrong with a segment wherever it stands; `undefined`: nothing. */
const faultAnywhere = (raw: string, decoded: string | undefined): string | undefined => {
  if (decoded === undefined) return 'a percent-encoding that is not UTF-8'
  if (!isVisibleAscii(raw)) return 'a character that must be percent-encoded'
  if (hasControl(decoded)) return 'a control character'
  if (raw.includes('\\')) return 'a backslash'
  if (dots.test(decoded)) return 'a dot segment'
  return undefined
}

/** What is wrong with a segment that a route matches. */
export const faultOfSegment = (raw: string, decoded: string | undefined): string | undefined => {
  if (decoded === '') return 'an empty segment'
  if (decoded?.includes('/') === true) return 'an encoded slash'
  if (decoded?.includes('\\') === true) return 'a backslash'
  return faultAnywhere(raw, decoded)
}

/** What is wrong with a segment of a wildcard's tail: there an encoded slash is data, and the last segment may be empty. */
export const faultOfTail = (raw: string, decoded: string | undefined, isLast: boolean): string | undefined =>
  decoded === '' && !isLast ? 'an empty segment' : faultAnywhere(raw, decoded)

/** Percent-encodes what is no pchar of RFC 3986, and nothing else. Half a surrogate pair, which has no encoding, becomes U+FFFD. */
export const encodeSegment = (segment: string): string =>
  encodeURIComponent(Buffer.from(segment).toString()).replace(/%(?:3A|40|24|26|2B|2C|3B|3D)/g, decodeURIComponent)
