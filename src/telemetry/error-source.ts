import type { AggregatorError, ErrorSource } from '../errors.ts'

/**
 * Who a failed request is laid at, for the pager: the plugin, what stands behind it, this server, or the client. The first two
 * are errorSource of the plugin SDK.
 */
export const errorSourceOf = (error: AggregatorError): ErrorSource | 'aggregator' | 'client' => {
  switch (error._tag) {
    case 'PluginFailed':
      return error.source
    case 'BadGateway':
    case 'GatewayTimeout':
      return 'downstream'
    case 'BadPlugin':
    case 'NotImplemented':
    case 'PluginTimeout':
    case 'PluginUnavailable':
      return 'plugin'
    case 'StoreFailed':
    case 'TooManyRequests':
    case 'Unexpected':
      return 'aggregator'
    case 'AlreadyExists':
    case 'BadRequest':
    case 'BodyTooLarge':
    case 'Cancelled':
    case 'Conflict':
    case 'Expired':
    case 'Forbidden':
    case 'Invalid':
    case 'MethodNotAllowed':
    case 'NotAcceptable':
    case 'NotFound':
    case 'NotYet':
    case 'Unauthorized':
    case 'UnsupportedMediaType':
      return 'client'
  }
}
