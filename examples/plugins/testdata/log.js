/**
 * @typedef {Record<string, unknown>} Fields
 * @typedef {(message: string, fields?: Fields) => void} Log
 * @typedef {{ trace: Log, debug: Log, info: Log, warn: Log, error: Log }} Logger
 */

/** Six fraction digits: Go's hclog takes a line with any other number of them for plain text. */
const timestamp = () => new Date().toISOString().replace('Z', '000Z')

/**
 * A logger that writes one hclog JSON object a line. The default sink is the process's stderr, where a go-plugin host
 * listens; the handshake owns stdout.
 *
 * @param {string} module
 * @param {(line: string) => void} write
 * @returns {Logger}
 */
export const createLogger = (module, write = (line) => process.stderr.write(line)) => {
  /** @type {(level: string) => Log} */
  const at =
    (level) =>
    (message, fields = {}) =>
      write(
        `${JSON.stringify({ '@level': level, '@message': message, '@module': module, '@timestamp': timestamp(), ...fields })}\n`,
      )
  return { trace: at('trace'), debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
