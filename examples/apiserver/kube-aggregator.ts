import type { RequestHandler } from 'express'

/** Stands for the apiserver that you already have: it says what reached it, so that one can see that nothing was touched. */
export const kubeAggregator: RequestHandler = async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  response.json({
    handler: 'kube-aggregator',
    method: request.method,
    url: request.originalUrl,
    headers: request.headers,
    body: Buffer.concat(chunks).toString(),
  })
}
