// One step of a test with Vercel's AI SDK: node vercel_ai.mjs PROVIDER STEP; prints JSON.
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { embedMany, generateObject, generateText, stepCountIs, streamObject, streamText, tool } from 'ai'
import { z } from 'zod'

const { BASE, MODEL, EMBEDDER } = process.env
const baseURL = `${BASE}/v1`
const [providerName, stepName] = process.argv.slice(2)

const provider = {
  compatible: () =>
    createOpenAICompatible({ name: 'samovar', baseURL, includeUsage: true, supportsStructuredOutputs: true }),
  openai: () => createOpenAI({ baseURL, apiKey: 'none' }),
  anthropic: () => createAnthropic({ baseURL, apiKey: 'none' }),
}[providerName]()

const short = { model: provider(MODEL), prompt: 'Say hello.', maxOutputTokens: 16, maxRetries: 0 }
const dog = z.object({ name: z.string().max(10), age: z.number().int().min(0).max(9) })
const invented = { model: provider(MODEL), prompt: 'Invent a dog.', schema: dog, maxOutputTokens: 200, maxRetries: 0 }
const clock = tool({
  description: 'What time it is in a place.',
  inputSchema: z.object({ zone: z.string().max(12) }),
  execute: async ({ zone }) => `noon in ${zone}`,
})
const called = {
  ...short,
  prompt: 'What time is it in Oslo?',
  maxOutputTokens: 200,
  tools: { clock },
  stopWhen: stepCountIs(2),
  prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? 'required' : 'none' }),
}
const told = (steps) => steps.map(({ text, toolResults }) => ({ text, results: toolResults.map((one) => one.output) }))

// What goes wrong in a stream is otherwise only printed.
const streamed = (options, start = streamText) => {
  let failure
  const result = start({ ...options, onError: ({ error }) => (failure = error) })
  return { result, check: () => { if (failure) throw failure } }
}

const steps = {
  async text() {
    const { text, usage, finishReason } = await generateText(short)
    return { text, usage, finishReason }
  },
  async stream() {
    const { result, check } = streamed(short)
    let text = ''
    for await (const piece of result.textStream) text += piece
    check()
    return { text, usage: await result.usage, finishReason: await result.finishReason }
  },
  async tools() {
    return told((await generateText(called)).steps)
  },
  async streamedTools() {
    const { result, check } = streamed(called)
    await result.consumeStream()
    check()
    return told(await result.steps)
  },
  async object() {
    return (await generateObject(invented)).object
  },
  async streamedObject() {
    const { result, check } = streamed(invented, streamObject)
    for await (const _ of result.partialObjectStream);
    check()
    return await result.object
  },
  async vectors() {
    const { embeddings } = await embedMany({ model: provider.textEmbeddingModel(EMBEDDER), values: ['tea', 'coffee'] })
    return embeddings.map((vector) => vector.length)
  },
  async completion() {
    const model = provider.completionModel ? provider.completionModel(MODEL) : provider.completion(MODEL)
    return (await generateText({ ...short, model, prompt: 'Once upon' })).text
  },
  async mistake() {
    try {
      await generateText({ ...short, model: provider('nobody/nothing') })
    } catch (error) {
      return { status: error.statusCode, message: error.message }
    }
  },
}

console.log(JSON.stringify(await steps[stepName]()))
