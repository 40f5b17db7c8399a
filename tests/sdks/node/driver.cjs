// Makes the calls of one run with an SDK for Node: `driver.cjs MODULE URL KEY PLAN`, PLAN being JSON (plan.py).
// Everything but the address and the key is the SDK's default. Prints the SDK's version; exits non-zero when the SDK
// gave up on anything.
const fs = require('node:fs')
const path = require('node:path')

const [module_, url, key, plan] = [process.argv[2], process.argv[3], process.argv[4], JSON.parse(process.argv[5])]
const failures = []

// The two SDKs differ in how they are made and in how the last events are got out of them.
const kinds = {
  '@segment/analytics-node': ({ Analytics }) => {
    const sdk = new Analytics({ host: url, writeKey: key })
    sdk.on('error', (error) => failures.push(error))
    return { sdk, finish: () => sdk.closeAndFlush() }
  },
  '@rudderstack/rudder-sdk-node': (Analytics) => {
    const sdk = new Analytics(key, { dataPlaneUrl: url, errorHandler: (error) => failures.push(error) })
    const finish = async () => {
      while (sdk.queue.length > 0) await sdk.flush() // one call sends one batch
      await sdk.flush()
    }
    return { sdk, finish }
  },
}

function call(sdk) {
  const context = { groupId: plan.account }
  for (let number = 0; number < plan.people; number++) {
    const userId = `user-${number}`
    sdk.identify({ userId, traits: { email: `${userId}@customer.example` }, context })
    sdk.group({ userId, groupId: plan.account, traits: { name: 'A customer', plan: 'pro' }, context })
    sdk.page({ userId, category: 'Docs', name: 'Start', properties: { url: 'https://app.example/start' }, context })
  }
  for (let number = 0; number < plan.tracks; number++) {
    const [userId, event] = [`user-${number % plan.people}`, plan.events[number % plan.events.length]]
    sdk.track({ userId, event, properties: { rows: number, format: 'csv' }, context })
  }
}

async function main() {
  const { sdk, finish } = kinds[module_](require(module_))
  call(sdk)
  await finish()
  const manifest = path.join(process.env.NODE_PATH, module_, 'package.json')
  console.log(JSON.parse(fs.readFileSync(manifest, 'utf8')).version)
  failures.forEach((error) => console.error(error))
  process.exitCode = failures.length > 0 ? 1 : 0
}

main()
