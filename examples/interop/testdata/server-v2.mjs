// SPDX-License-Identifier: Apache-2.0

// A server on the TypeScript SDK's version 2, @modelcontextprotocol/server,
// that speaks 2026-07-28 alone. It has some of what the MCP conformance suite
// asks of a server, with the suite's names.
import { acceptedContent, fromJsonSchema, inputRequired, inputResponse, McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';

const string = { type: 'string' };
const schema = (properties, ...required) => ({ type: 'object', properties, required });
const text = text => ({ content: [{ type: 'text', text }] });
const pause = () => new Promise(resolve => setTimeout(resolve, 50));

const name = inputRequired.elicit({ message: 'What is your name?', requestedSchema: schema({ name: string }, 'name') });
const prompt = words =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: words } }], maxTokens: 100 });

// What the client answered to a question of the round before.
const nameIn = (answers, key) => acceptedContent(answers, key)?.name;
const sampleIn = (answers, key) => inputResponse(answers, key).result?.content?.text;
const rootsIn = (answers, key) => inputResponse(answers, key).roots;

serveStdio(
  () => {
    const server = new McpServer(
      { name: 'interop-typescript-v2', version: '1.0.0' },
      {
        capabilities: { logging: {}, resources: { subscribe: true, listChanged: true } },
        // Nothing depends on it: it only has to come back.
        requestState: { verify: state => JSON.parse(state) },
      },
    );
    const tool = (name, run, properties = {}) =>
      server.registerTool(name, { inputSchema: fromJsonSchema(schema(properties)) }, run);
    // ask makes a tool that asks until say finds all that it needs.
    const ask = (name, questions, say) =>
      tool('test_input_required_result_' + name, (_, { mcpReq }) => {
        const said = say(mcpReq.inputResponses ?? {});
        return said ? text(said) : inputRequired({ inputRequests: questions, requestState: '{"asked":true}' });
      });

    tool('test_simple_text', () => text('This is a simple text response for testing.'));
    tool('test_error_handling', () => {
      throw new Error('This tool intentionally returns an error for testing');
    });
    tool('test_tool_with_progress', async (_, { mcpReq }) => {
      for (const progress of [0, 50, 100]) {
        const progressToken = mcpReq._meta?.progressToken;
        if (progressToken !== undefined) {
          await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
        }
        await pause();
      }
      return text('done');
    });
    tool('test_tool_with_logging', async (_, { mcpReq }) => {
      for (const words of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await mcpReq.log('info', words);
        await pause();
      }
      return text('done');
    });
    ask('elicitation', { user_name: name }, answers => {
      const name = nameIn(answers, 'user_name');
      return name && `Hello, ${name}!`;
    });
    ask('sampling', { capital: prompt('What is the capital of France?') }, answers => sampleIn(answers, 'capital'));
    ask('list_roots', { roots: inputRequired.listRoots() }, answers => {
      const roots = rootsIn(answers, 'roots');
      return roots && `${roots.length} roots: ${roots.map(r => r.uri).join(' ')}`;
    });
    ask('multiple_inputs', { name, greeting: prompt('Generate a greeting'), roots: inputRequired.listRoots() }, answers => {
      const [greeting, name, roots] = [sampleIn(answers, 'greeting'), nameIn(answers, 'name'), rootsIn(answers, 'roots')];
      return greeting && name && roots && `${greeting} ${name}, ${roots.length} roots`;
    });

    server.registerPrompt('test_simple_prompt', {}, () => ({
      messages: [{ role: 'user', content: { type: 'text', text: 'This is a simple prompt for testing.' } }],
    }));
    const resource = (name, uri, words) =>
      server.registerResource(name, uri, { mimeType: 'text/plain' }, () => ({ contents: [{ uri, text: words }] }));
    resource('static', 'test://static-text', 'This is the content of the static text resource.');
    resource('watched', 'test://watched-resource', 'This one is touched now and then.');
    tool(
      'touch_resource',
      async ({ uri }) => {
        await server.server.sendResourceUpdated({ uri });
        return text('touched ' + uri);
      },
      { uri: string },
    );
    tool('test_trigger_tool_change', () => {
      tool('added', () => text('I was added')); // which tells the client
      return text('added');
    });
    return server;
  },
  { legacy: 'reject', onerror: error => console.error(error.message) },
);
