import type { Clock } from '../clock.ts'
import { noReply, notFound } from '../errors.ts'
import type { Changes } from '../events/changes.ts'
import type { EventLog } from '../events/log.ts'
import type { Interactions } from '../interactions/interactions.ts'
import type { Job, Jobs } from '../jobs/jobs.ts'
import type { Log } from '../log.ts'
import type { Making, Message } from '../messages/message.ts'
import type { Messages } from '../messages/messages.ts'
import { createBranchStore } from '../messages/branch-store.ts'
import { createBranching } from '../messages/branching.ts'
import { createGround } from '../messages/ground.ts'
import { createMessageStore } from '../messages/store.ts'
import type { ProviderHealth } from '../providers/health.ts'
import type { Models, ResolvedModel } from '../providers/registry.ts'
import type { Notices } from '../storage/notices.ts'
import type { Storage } from '../storage/storage.ts'
import { createAnswering } from './answering.ts'
import { createPostBehind } from './behind.ts'
import { createBranch } from './branch.ts'
import { createBusyPolicy } from './busy.ts'
import { createCancel } from './cancel.ts'
import { createClaim } from './claim.ts'
import { createConclude } from './conclude.ts'
import { createDeadLetterStore } from './dead-letters/store.ts'
import { createRequeue } from './dead-letters/requeue.ts'
import type { ModelFacts } from './failover.ts'
import { createForget } from './forget.ts'
import { createFork } from './fork.ts'
import { createGiveBack } from './give-back.ts'
import { createHalt } from './halt.ts'
import { createJustMade } from './just-made.ts'
import { asPosted, createPost, type Posted } from './post.ts'
import type { ReplyOptions } from './options.ts'
import type { Prepare } from './prepare.ts'
import { createRateStore } from './rate-store.ts'
import { createRemoving } from './removing.ts'
import { createRunner, type RunLimits } from './run.ts'
import type { RetryLimits } from './retry.ts'
import type { WaitingReply } from './open-store.ts'
import { createReplyStore } from './store.ts'
import { createSweeper } from './sweep.ts'
import { createTakeTime } from './take-time.ts'
import { createTurns, type TurnLimits } from './turn.ts'
import { createWatch } from './watch.ts'

export type { Asking } from './branch.ts'
export type { NewTurn, Posted } from './post.ts'
/** A reply, and what it was asked for beyond its interaction. */
export interface AskedReply {
  reply: Message & { making: Making }
  options: ReplyOptions
}

export type Replies = ReturnType<typeof createReplies>

/** The verbs of replies: making an answer, and following it. */
export function createReplies(parts: {
  storage: Storage
  events: EventLog
  changes: Pick<Changes, 'hold' | 'record' | 'headOf'>
  jobs: Jobs
  interactions: Pick<Interactions, 'hold' | 'createIn' | 'removeIn' | 'takePositions' | 'keep' | 'moveTo'>
  messages: Pick<Messages, 'find' | 'behind' | 'removeIn'>
  models: Models
  health: ProviderHealth
  prepare: Prepare
  /** The number of this node, where there are others. */
  node: () => number | null
  /** How other nodes hear of what happens here, where there are any. */
  notices: Notices | undefined
  limits: RunLimits & RetryLimits & TurnLimits & { maxQueuedReplies: number; eventRetentionDays: number }
  now: Clock
  random: () => number
  log: Log
}) {
  const { storage, events, changes, jobs, interactions, messages, models, health, now, log } = parts
  const { maxQueuedReplies, eventRetentionDays } = parts.limits
  const store = createReplyStore(storage)
  const messageStore = createMessageStore(storage)
  const branches = createBranchStore(storage)
  const facts: ModelFacts = {
    askableAt(name) {
      const model = find(name)
      return model ? health.askableAt(model) : 0
    },
    windowOf: (model) => models.contextWindowTokens(model),
  }
  const conclude = createConclude({ ...parts, store, messages: messageStore, jobOf, facts })
  const rates = createRateStore(storage)
  const runner = createRunner({
    ...parts,
    store,
    takeTurn: createTurns({ ...parts, store, rates, jobOf, facts }),
    claimReply: createClaim({ ...parts, store }),
    answering: createAnswering({ ...parts, takeTime: createTakeTime({ ...parts, rates }) }),
    conclude,
    giveBack: createGiveBack({ ...parts, store, jobOf }),
    jobOf,
  })
  const halting = createHalt({ ...parts, store, runner })
  const { cancel, cancelReply } = createCancel({
    ...parts,
    store,
    messages: messageStore,
    jobOf,
    halt: halting.halt,
  })
  const { removing, removingMessage, removingAll } = createRemoving({
    ...parts,
    store,
    messages: messageStore,
    jobOf,
    halt: halting.halt,
    cancelReply,
  })
  const deadLetters = createDeadLetterStore(storage)
  const requeueing = createRequeue({
    ...parts,
    store,
    deadLetters,
    messages: messageStore,
    jobOf,
    maxQueuedReplies,
    keptDays: eventRetentionDays,
  })
  const sweeper = createSweeper({ storage, store, jobs, jobOf, now, log })
  const { endWaiting, ...watch } = createWatch({ messages, events })
  const posting = createPost({
    storage,
    store,
    interactions,
    messages: messageStore,
    models,
    jobs,
    jobOf,
    placeBehind: createBranching({
      store: messageStore,
      branches,
      interactions,
      changes,
      now,
    }),
    makeWay: createBusyPolicy({
      ...parts,
      store,
      messages: messageStore,
      branches,
      isStoodOn: createGround({ store: messageStore, branches }),
      cancelReply,
      removing,
    }),
    maxQueuedReplies,
    now,
  })

  const forking = createFork({ storage, interactions, messages: messageStore, branches, now })

  /** The job that makes a reply: in the group of the provider that will be asked. */
  function jobOf({ interactionId, model, notBefore }: WaitingReply): Job {
    // Nobody serves it any more: the attempt will say so.
    return { interactionId, group: find(model)?.provider.name ?? 'unknown', notBefore }
  }

  function find(model: string): ResolvedModel | undefined {
    try {
      return models.resolve(model)
    } catch {
      return undefined
    }
  }

  async function findAsked(ownerId: string, id: string): Promise<AskedReply> {
    const { making, ...message } = await messages.find(ownerId, id)
    if (!making) throw noReply()
    const options = await store.optionsOf(id)
    // Removed since: without its options it would pass for one that anybody may read.
    if (!options) throw notFound('Message')
    return { reply: { ...message, making }, options }
  }

  return {
    ...posting,
    ...createBranch({ messages, optionsOf: store.optionsOf, post: posting.post }),
    fork: forking.fork,
    postBehind: createPostBehind({ storage, interactions, messages: messageStore, forking, posting }),
    forget: createForget({ storage, interactions, messages, store: messageStore }),
    cancel,
    ...requeueing,
    list: deadLetters.list,
    find: messages.find,

    /** Rejects with `not_found` where it is no reply of the owner's. */
    findAsked,

    /** Changes what the door keeps with a reply. */
    async keep(ownerId: string, id: string, door: ReplyOptions['door']): Promise<void> {
      const { options } = await findAsked(ownerId, id)
      await storage.write((tx) => store.setOptions(tx, id, { ...options, door }))
    },

    justMade: createJustMade({ messages, changes, now }),

    /** What an earlier post made, as it was answered then. */
    async posted(ownerId: string, made: { [name: string]: string | null }): Promise<Posted> {
      const { message, reply, answered } = made
      return {
        said: message ? [await messages.find(ownerId, message)] : [],
        reply: reply ? asPosted(await messages.find(ownerId, reply)) : null,
        ...(answered && { answered: await messages.find(ownerId, answered) }),
      }
    },

    ...watch,

    removingMessage,
    removingAll,

    /** The interactions in which a node makes an answer, or did when it died. */
    interactionsOfNode: store.interactionsOfNode,

    /** Takes up what was left open, and makes answers from now on. */
    async start() {
      jobs.start(runner.look)
      halting.start()
      await sweeper.start()
    },

    /** Takes no more work; what runs gets `graceMs`, then it is left to the next process. */
    async stop(graceMs: number) {
      sweeper.stop()
      halting.stop()
      await jobs.stop(graceMs)
      endWaiting()
    },
  }
}
