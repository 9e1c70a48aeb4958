import test from 'ava'

import { runExample } from './_run.ts'

test('serves the custom route and the resources of an app in TypeScript, where it says', async (t) => {
  const { line, stop } = runExample(t, 'examples/app-routes.ts', { PORT: '0' })
  const reportUrl = (await line(/^curl .*weekly$/)).slice('curl '.length)
  const listUrl = (await line(/^curl .*list$/)).slice('curl '.length)
  const report = await fetch(reportUrl)
  t.is(report.status, 200)
  t.is(report.headers.get('content-type'), 'text/csv')
  t.is(await report.text(), 'report,day,visits\nweekly,Monday,100\nweekly,Tuesday,200\nweekly,Wednesday,300\n')
  t.deepEqual(await (await fetch(listUrl)).json(), { reports: ['weekly', 'daily'] })
  t.is((await fetch(listUrl.replace('list', 'other'))).status, 404)
  t.is((await fetch(reportUrl, { method: 'DELETE' })).status, 405)
  t.is(await stop(), 0)
})
