// A CommonJS host gets the package by require(), which takes no module with a top-level await.
const assert = require('node:assert/strict')

const { createServer, dataPlaneAggregator } = require('dataplane-aggregator')
const { readFixtures } = require('dataplane-aggregator/testing')

for (const exported of [createServer, dataPlaneAggregator, readFixtures]) assert.equal(typeof exported, 'function')
