import { z } from 'zod'
import { idParameter, wholeNumber } from '../http/parameters.ts'
import { metadataSchema, onBusySchema, roleSchema } from '../interactions/schemas.ts'
import { inputContent, misplacedParts } from '../messages/content.ts'
import { messageSchema } from '../messages/schemas.ts'
import { plainText } from '../text.ts'
import { reasoningEfforts, type ReplyOptions } from './options.ts'
import { responseFormat } from './response-format.ts'
import { type FunctionTool, functionTools, impossibleChoice, type ToolChoice, toolChoice } from './tools.ts'

const maxWaitMs = 120_000

/** How an answer is asked for, and how it is told. */
const asking = {
  model: plainText({ min: 1, max: 256 })
    .optional()
    .meta({ description: "Instead of the interaction's own.", examples: ['builtin/eliza'] }),
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
  stream: z.boolean().default(false).meta({ description: "Answer with the reply's events (SSE)." }),
  wait_ms: z
    .int()
    .min(0)
    .max(maxWaitMs)
    .default(0)
    .meta({ description: 'Wait at most so long for the reply to end.' }),
}

/** What the answer is asked beyond its interaction. */
export function optionsOf(input: z.infer<typeof regenerateInput>): ReplyOptions {
  return {
    tools: input.tools,
    toolChoice: input.tool_choice,
    parallelToolCalls: input.parallel_tool_calls,
    responseFormat: input.response_format,
    reasoning: input.reasoning_effort && { effort: input.reasoning_effort },
  }
}

function checkChoice(
  { tools, tool_choice }: { tools?: FunctionTool[] | undefined; tool_choice?: ToolChoice | undefined },
  { addIssue }: Pick<z.core.$RefinementCtx, 'addIssue'>,
) {
  const message = impossibleChoice(tool_choice, tools)
  if (message) addIssue({ code: 'custom', path: ['tool_choice'], message })
}

/** `POST /v1/messages/{id}/regenerate`; no body is the same as an empty one. */
export const regenerateInput = z.strictObject(asking).superRefine(checkChoice).prefault({})

/** `POST /v1/messages/{id}/edit` */
export const editInput = z
  .strictObject({
    content: inputContent,
    ...asking,
    metadata: metadataSchema.optional().meta({ description: 'Instead of that of the message.' }),
  })
  .superRefine(checkChoice)

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
          'The message that it follows, null for none; else the newest one of the current branch. Where that one is ' +
          'followed already, a branch begins, which becomes the current one.',
      }),
    ...asking,
    metadata: metadataSchema.optional(),
  })
  .superRefine(checkChoice)
  .superRefine(({ role, content }, { addIssue }) => {
    for (const { path, message } of misplacedParts(role, content)) {
      addIssue({ code: 'custom', path: path.split('.'), message })
    }
  })

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
