// Preloaded into a server (`node --import`): tells on stderr of each vendor's package that is loaded.
import { registerHooks } from 'node:module'

registerHooks({
  load(url, context, nextLoad) {
    const [, vendor] = /\/@ai-sdk\/([a-z-]+)\//.exec(url) ?? []
    if (vendor) process.stderr.write(`loads ${vendor}\n`)
    return nextLoad(url, context)
  },
})
