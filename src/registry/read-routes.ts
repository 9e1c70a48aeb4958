import { resource } from '../api/dataplane-service.ts'
import { systemClock, type Clock } from '../clock.ts'
import type { HttpRequest } from '../http.ts'
import type { ObjectStore } from '../object-store.ts'
import type { ServiceRoute } from '../service.ts'
import { get } from './get.ts'
import { isWatch } from './list-options.ts'
import { list } from './list.ts'
import type { ReadOptions } from './read-options.ts'
import { watch } from './watch.ts'
import { createWatchTexts } from './watch-texts.ts'

const watches = ({ query }: HttpRequest): boolean => isWatch(new URLSearchParams(query))

/** What reads objects: one of them, all, their changes. */
export const readRoutes = (
  objects: ObjectStore,
  clock: Clock = systemClock,
  random: () => number = Math.random,
): ReadonlyArray<ServiceRoute> => {
  const options: ReadOptions = { objects, clock, random, texts: createWatchTexts() }
  const one = `/${resource}/{name}`
  return [
    {
      method: 'GET',
      path: `/${resource}`,
      isLongRunning: watches,
      handle: (request, env) => (watches(request) ? watch(request, env, options) : list(request, env, options)),
    },
    ...[one, `${one}/status`].map((path): ServiceRoute => ({
      method: 'GET',
      path,
      handle: (request, env) => get(request, env, options),
    })),
  ]
}
