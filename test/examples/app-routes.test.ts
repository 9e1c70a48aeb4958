import test from 'ava'

import { fetchWhenUp, freePort, runExample } from './_run.ts'

test('serves the custom route and the resources of an app in TypeScript', async (t) => {
  const port = await freePort()
  const { stop } = runExample(t, 'examples/app-routes.ts', { PORT: String(port) })
  const namespace = `http://127.0.0.1:${String(port)}/apis/reports.example.com/v1/namespaces/default`
  const report = await fetchWhenUp(`${namespace}/reports/weekly`, {})
  t.is(report.status, 200)
  t.is(report.headers.get('content-type'), 'text/csv')
  t.is(await report.text(), 'report,day,visits\nweekly,Monday,100\nweekly,Tuesday,200\nweekly,Wednesday,300\n')
  t.deepEqual(await (await fetch(`${namespace}/resources/list`)).json(), { reports: ['weekly', 'daily'] })
  t.is((await fetch(`${namespace}/resources/other`)).status, 404)
  t.is((await fetch(`${namespace}/reports/weekly`, { method: 'DELETE' })).status, 405)
  t.is(await stop(), 0)
})
