// Finds a Prometheus, or fetches Debian's.
import { fetchDebian } from './prepare-debian.js'
import { onPath } from './prepare-tools.js'

export const findPrometheus = (cache) => onPath('prometheus') ?? fetchDebian(cache, 'prometheus', 'usr/bin/prometheus')
