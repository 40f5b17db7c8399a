// Makes the calls of one run with an SDK for Node: `driver.cjs MODULE URL KEY PLAN`, PLAN being JSON (plan.py).
// Everything but the address and the key is the SDK's default. Prints the SDK's version; exits non-zero when the SDK
// gave up on anything, or never said what became of it.
const fs = require('node:fs')
const path = require('node:path')
const { setTimeout: pause } = require('node:timers/promises')

const [, , module_, url, key, plan] = process.argv

// How the SDKs differ: how they are made, what they want between calls, how the last events are got out of them.
const kinds = {
  '@segment/analytics-node': ({ Analytics }) => {
    const sdk = new Analytics({ host: url, writeKey: key })
    return { sdk, between: () => {}, finish: () => sdk.closeAndFlush() }
  },
  '@rudderstack/rudder-sdk-node': (Analytics) => {
    const sdk = new Analytics(key, { dataPlaneUrl: url })
    const finish = async () => {
      while (sdk.queue.length > 0) await sdk.flush() // one call sends one batch
    }
    return { sdk, between: () => pause(1), finish } // every call costs it time for each one that is not yet sent
  },
}

function* calls({ account, tracks, people, events }) {
  const context = { groupId: account }
  for (let number = 0; number < people; number++) {
    const userId = `user-${number}`
    yield ['identify', { userId, traits: { email: `${userId}@customer.example` }, context }]
    yield ['group', { userId, groupId: account, traits: { name: 'A customer', plan: 'pro' }, context }]
    yield ['page', { userId, category: 'Docs', name: 'Start', properties: { url: 'https://app.example/start' }, context }]
  }
  for (let number = 0; number < tracks; number++) {
    const [userId, event] = [`user-${number % people}`, events[number % events.length]]
    yield ['track', { userId, event, properties: { rows: number, format: 'csv' }, context }]
  }
}

async function main() {
  const { sdk, between, finish } = kinds[module_](require(module_))
  const delivered = []
  for (const [method, message] of calls(JSON.parse(plan))) {
    delivered.push(new Promise((resolve) => sdk[method](message, resolve))) // with the error, if there is one
    if (delivered.length % 20 === 0) await between()
  }
  await finish()
  const failures = (await Promise.all(delivered)).filter(Boolean)
  failures.forEach((error) => console.error(error))
  const manifest = path.join(process.env.NODE_PATH, module_, 'package.json')
  fs.writeSync(1, JSON.parse(fs.readFileSync(manifest, 'utf8')).version)
  process.exit(failures.length > 0 ? 1 : 0) // now: idle connections would keep the process for seconds
}

process.exitCode = 1
main()
