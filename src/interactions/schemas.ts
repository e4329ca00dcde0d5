import { z } from 'zod'
import { isoTime } from '../clock.ts'
import { pageQuery, pageSchema } from '../http/pagination.ts'
import { plainText } from '../text.ts'
import { type Interaction, onBusyPolicies, onCrashPolicies, roles } from './interaction.ts'

export const roleSchema = z.enum(roles).meta({ id: 'Role', description: 'Who speaks.' })

const pairs = z.record(plainText({ min: 1, max: 64 }), plainText({ max: 512 }))

export const metadataSchema = z
  .nonoptional(z.preprocess(refuseProto, pairs))
  .refine((metadata) => Object.keys(metadata).length <= 16, { error: 'may have at most 16 keys' })
  .meta({ description: "Up to 16 pairs of the client's own.", maxProperties: 16 })

/** A record leaves this pair out without a word. */
function refuseProto(given: unknown, { addIssue }: z.RefinementCtx): unknown {
  if (typeof given === 'object' && given !== null && Object.hasOwn(given, '__proto__'))
    addIssue({ code: 'custom', path: ['__proto__'], message: 'must be called otherwise' })
  return given
}

export const modelName = plainText({ min: 1, max: 256 }).meta({
  description: 'A model as `provider/model`; see `GET /v1/models`.',
  examples: ['builtin/eliza'],
})

const maxModels = 8

export const modelsSchema = z
  .union([
    modelName,
    z
      .array(modelName)
      .min(1)
      .max(maxModels)
      .refine((names) => new Set(names).size === names.length, { error: 'names a model twice' }),
  ])
  .meta({
    description:
      'Who answers, or a list of up to 8: where one cannot, the next is asked at once. See `tried` of a message.',
  })

/** How a model is asked to answer. */
export const sampling = {
  temperature: z.number().min(0).max(2),
  top_p: z.number().min(0).max(1),
  max_output_tokens: z.int().min(1).max(10_000_000),
  stop: z.array(plainText({ min: 1, max: 256 })).max(4),
  seed: z.int(),
  presence_penalty: z.number().min(-2).max(2),
  frequency_penalty: z.number().min(-2).max(2),
}

export const onBusySchema = z.enum(onBusyPolicies).meta({
  id: 'OnBusy',
  description:
    'What a post does where an answer is still being made: `queue` is answered after it; `reject` is refused with ' +
    '409; `interrupt` cancels it and those that wait behind it, and what was said of them stays; `rollback` removes ' +
    'them with what was said for them, as if that had not been: but nothing that another branch, or the post itself, ' +
    'stands on, and such an answer is cancelled. For posts that are answered; what is only stored is always taken.',
})

export const onCrashSchema = z.enum(onCrashPolicies).meta({
  id: 'OnCrash',
  description:
    'What becomes of an answer when the server is killed in the middle of it: `retry` makes it anew; `continue` gives ' +
    'the model what it said so far, and goes on from there (where its provider cannot do that, or nothing was said, ' +
    'it is `retry`); `fail` ends it with `crashed`, `incomplete` with what was said or `failed` where that is nothing, ' +
    'also where a server that is stopped has no time to finish it.',
})

/** Crashes are not the doing of a provider: its failures have limits of their own. */
export const maxAttemptsSchema = z
  .int()
  .min(1)
  .max(20)
  .meta({
    description:
      'How many attempts at an answer the server may be killed in; then it ends with `crashed`. Tries that the provider ' +
      'failed are not counted here. Unset: `MAX_CRASHES` of the server.',
  })

const settings = {
  title: plainText({ max: 512 }).nullish(),
  role: roleSchema.optional(),
  prompt: plainText({ max: 1_000_000 })
    .nullish()
    .meta({ description: 'Goes to the model as the system message with every turn.' }),
  temperature: sampling.temperature.nullish(),
  top_p: sampling.top_p.nullish(),
  max_output_tokens: sampling.max_output_tokens.nullish(),
  stop: sampling.stop.nullish(),
  seed: sampling.seed.nullish(),
  presence_penalty: sampling.presence_penalty.nullish(),
  frequency_penalty: sampling.frequency_penalty.nullish(),
  model: modelsSchema.optional(),
  on_busy: onBusySchema.optional(),
  on_crash: onCrashSchema.optional(),
  max_attempts: maxAttemptsSchema.nullish(),
  metadata: metadataSchema.optional(),
}

/** `POST /v1/interactions`; no body is the same as an empty one. */
export const interactionInput = z.strictObject(settings).prefault({})

/** `PATCH /v1/interactions/{id}`: what is left out stays. */
export const interactionChange = z.strictObject({
  ...settings,
  branch: z
    .int()
    .min(0)
    .optional()
    .meta({ description: 'The branch that is listed, and that the next message goes on with.' }),
})

export const interactionSchema = z
  .object({
    object: z.literal('interaction'),
    id: z.uuid(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    title: z.string().nullable(),
    model: z.string(),
    models: z
      .array(z.string())
      .nullable()
      .meta({ description: 'Where it is a list: `model`, and who else may answer.' }),
    role: roleSchema,
    prompt: z.string().nullable(),
    temperature: z.number().nullable(),
    top_p: z.number().nullable(),
    max_output_tokens: z.int().nullable(),
    stop: z.array(z.string()).nullable(),
    seed: z.int().nullable(),
    presence_penalty: z.number().nullable(),
    frequency_penalty: z.number().nullable(),
    on_busy: onBusySchema,
    on_crash: onCrashSchema,
    max_attempts: maxAttemptsSchema.nullable(),
    branch: z.int().meta({ description: 'The current branch; 0 is what came first.' }),
    metadata: z.record(z.string(), z.string()),
  })
  .meta({ id: 'Interaction', description: 'A conversation and its settings.' })

export const interactionQuery = z.strictObject({
  include: z
    .literal('messages')
    .optional()
    .meta({ description: 'Also the messages, the first page of them.' }),
})
export const interactionsQuery = pageQuery('desc').extend(interactionQuery.shape)
export const interactionPage = pageSchema(interactionSchema)

/** Splits a body into what an interaction is and how its model answers. */
export function settingsOf(body: z.infer<typeof interactionChange>) {
  const {
    title,
    role,
    prompt,
    model,
    on_busy: onBusy,
    on_crash: onCrash,
    max_attempts: maxAttempts,
    metadata,
    branch,
    ...changedSampling
  } = body
  return {
    title,
    role,
    prompt,
    model,
    policy: { onBusy, onCrash, maxAttempts },
    metadata,
    currentBranch: branch,
    sampling: changedSampling,
  }
}

/** An interaction as the API shows it. */
export function interactionView(interaction: Interaction): z.infer<typeof interactionSchema> {
  const { id, title, model, fallbacks, role, prompt, metadata, createdAt, updatedAt } = interaction
  return {
    object: 'interaction',
    id,
    created_at: isoTime(createdAt),
    updated_at: isoTime(updatedAt),
    title,
    model,
    models: fallbacks.length === 0 ? null : [model, ...fallbacks],
    role,
    prompt,
    temperature: interaction.sampling.temperature ?? null,
    top_p: interaction.sampling.top_p ?? null,
    max_output_tokens: interaction.sampling.max_output_tokens ?? null,
    stop: interaction.sampling.stop ?? null,
    seed: interaction.sampling.seed ?? null,
    presence_penalty: interaction.sampling.presence_penalty ?? null,
    frequency_penalty: interaction.sampling.frequency_penalty ?? null,
    on_busy: interaction.policy.onBusy,
    on_crash: interaction.policy.onCrash,
    max_attempts: interaction.policy.maxAttempts,
    branch: interaction.currentBranch,
    metadata,
  }
}
