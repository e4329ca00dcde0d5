import { soakCluster } from './cluster.ts'
import { soakKills } from './kills.ts'
import { soakMemory } from './memory.ts'
import { soakModel } from './model.ts'

// npm run soak [-- <kills | cluster | memory | model> [<count>]]: the long tests, too long for `npm test`.

const [name = 'kills', count] = process.argv.slice(2)
const soaks = new Map([
  ['kills', soakKills],
  ['cluster', soakCluster],
  ['memory', soakMemory],
  ['model', soakModel],
])
const soak = soaks.get(name)
if (!soak) throw new Error(`there is no soak "${name}", only ${[...soaks.keys()].join(', ')}`)
const isWell = await soak(count === undefined ? undefined : Number(count))
process.exit(isWell ? 0 : 1)
