import { z } from 'zod'
import { idParameter, wholeNumber } from '../http/parameters.ts'
import {
  maxAttemptsSchema,
  metadataSchema,
  modelsSchema,
  onBusySchema,
  onCrashSchema,
  roleSchema,
} from '../interactions/schemas.ts'
import { inputContent, misplacedParts } from '../messages/content.ts'
import { messageSchema } from '../messages/schemas.ts'
import { plainText } from '../text.ts'
import { reasoningEfforts, type ReplyOptions } from './options.ts'
import { responseFormat } from './response-format.ts'
import { functionTools, impossibleChoice, toolChoice } from './tools.ts'

const maxWaitMs = 120_000

/** How an answer is asked for, and how it is told. */
const asking = {
  model: modelsSchema.optional().meta({
    description: "Instead of the interaction's own: one, or a list of up to 8.",
  }),
  tools: functionTools.optional().meta({ description: 'What the model may ask you to call.' }),
  tool_choice: toolChoice
    .optional()
    .meta({ description: 'Whether it calls them: `auto`, `none`, `required`, or the one that is named.' }),
  parallel_tool_calls: z.boolean().optional().meta({ description: 'One answer may call several tools.' }),
  response_format: responseFormat.optional(),
  reasoning_effort: z
    .enum(reasoningEfforts)
    .optional()
    .meta({ description: 'How much the model thinks first, where it can.' }),
  on_busy: onBusySchema.optional().meta({ description: "Instead of the interaction's own." }),
  on_crash: onCrashSchema.optional().meta({ description: "Instead of the interaction's own." }),
  max_attempts: maxAttemptsSchema.optional().meta({ description: "Instead of the interaction's own." }),
  stream: z.boolean().default(false).meta({ description: "Answer with the reply's events (SSE)." }),
  wait_ms: z
    .int()
    .min(0)
    .max(maxWaitMs)
    .default(0)
    .meta({ description: 'Wait at most so long for the reply to end.' }),
}

type Issues = Array<{ path: string; message: string }>

/** Adds what is wrong with one field because of another. */
function refuse(issues: Issues, { addIssue }: Pick<z.RefinementCtx, 'addIssue'>) {
  for (const { path, message } of issues) addIssue({ code: 'custom', path: path.split('.'), message })
}

/** A choice among tools that are not there. */
function choiceIssues({
  tools,
  tool_choice: choice,
}: Pick<z.infer<typeof regenerateShape>, 'tools' | 'tool_choice'>): Issues {
  const impossible = impossibleChoice(choice, tools)
  return impossible === undefined ? [] : [{ path: 'tool_choice', message: impossible }]
}

const regenerateShape = z.strictObject(asking)

/** `POST /v1/messages/{id}/regenerate`; no body is the same as an empty one. */
export const regenerateInput = regenerateShape.prefault({})

/** `POST /v1/messages/{id}/edit` */
export const editInput = z.strictObject({
  content: inputContent,
  ...asking,
  metadata: metadataSchema.optional().meta({ description: 'Instead of that of the message.' }),
})

/** `POST /v1/interactions/{id}/fork`; no body is the same as an empty one. */
export const forkInput = z
  .strictObject({
    message_id: idParameter().optional().meta({
      description: 'The last message that goes with it; else the newest one of the current branch.',
    }),
    title: plainText({ max: 512 }).nullish(),
  })
  .prefault({})

/** `POST /v1/interactions/{id}/messages` */
export const messageInput = z
  .strictObject({
    content: inputContent,
    role: roleSchema.default('Human').meta({
      description: 'Who said it. A model answers a Human and a Tool; what the others say is only stored.',
    }),
    parent_id: idParameter()
      .nullable()
      .optional()
      .meta({
        description:
          'The message that it follows, null for none; else the newest one of the current branch. Where that one ' +
          'is followed already, a branch begins, which becomes the current one.',
      }),
    ...asking,
    metadata: metadataSchema.optional(),
  })
  .superRefine((input, context) =>
    refuse([...misplacedParts(input.role, input.content), ...choiceIssues(input)], context),
  )

/** What a reply is asked beyond its interaction. */
export function optionsOf(input: z.infer<typeof regenerateShape>): ReplyOptions {
  return {
    tools: input.tools,
    toolChoice: input.tool_choice,
    parallelToolCalls: input.parallel_tool_calls,
    responseFormat: input.response_format,
    reasoning: input.reasoning_effort && { effort: input.reasoning_effort },
    onCrash: input.on_crash,
    maxAttempts: input.max_attempts,
  }
}

export const postedSchema = z
  .object({
    message: messageSchema,
    reply: messageSchema.nullable().meta({
      description: 'The answer in the making; follow it at `/v1/messages/{reply.id}/events`.',
    }),
  })
  .meta({ id: 'Posted' })

export const regeneratedSchema = postedSchema
  .extend({ reply: messageSchema })
  .meta({ id: 'Regenerated', description: 'What is answered anew, and the new answer in the making.' })

/** `GET /v1/messages/{id}/events` */
export const eventsQuery = z.strictObject({
  after: wholeNumber(0, 999_999_999_999_999)
    .optional()
    .meta({ description: 'Only the events behind this id, as `Last-Event-ID`.' }),
})

export const eventsHeaders = z.looseObject({
  'last-event-id': wholeNumber(0, 999_999_999_999_999)
    .optional()
    .meta({ description: 'The id of the last event that was received; stands above `after`.' }),
})
