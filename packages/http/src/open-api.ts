/** The public API as an OpenAPI 3.1 document, made from the routes themselves: what the schemas say is what the server checks. */
import { z, type ZodType } from 'zod';
import { apiError, CSRF_HEADER } from '@bascule/protocol/api/common.ts';
import { PUBLIC_ACTION, route, type AnyRoute, type PublicApi } from './route.ts';
import { strict } from './validation.ts';

/** The version of the API, not of the software: it rises when something is taken away. */
export const API_VERSION = '1';
const DIALECT = 'https://json-schema.org/draft/2020-12/schema';
const JSON_TYPE = 'application/json';

export interface OpenApiOptions {
  /** Where the routes are: `/api`. */
  prefix: string;
  /** The login cookie's name, for what only people may call. */
  cookieName: string;
}
type Json = Record<string, unknown>;

/** `GET <prefix>/openapi.json`, for whoever is logged in or not: it says how to ask, and nothing about this appliance. */
export function openApiRoute(routes: readonly AnyRoute[], options: OpenApiOptions): AnyRoute {
  const document = openApiDocument(routes, options);
  return route({ method: 'GET', url: '/openapi.json', action: PUBLIC_ACTION, answer: z.unknown(), handle: () => document });
}

/** The document of all `routes` that are part of the public API. */
export function openApiDocument(routes: readonly AnyRoute[], options: OpenApiOptions): Json {
  const paths: Record<string, Json> = {};
  for (const definition of routes) {
    if (definition.publicApi === undefined) continue;
    const path = `${options.prefix}${definition.url.replaceAll(/:(\w+)/g, '{$1}')}`;
    paths[path] = { ...paths[path], [definition.method.toLowerCase()]: operation(definition, definition.publicApi) };
  }
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: DIALECT,
    info: {
      title: 'Bascule: public API',
      version: API_VERSION,
      description:
        'Role and health of an appliance of a failover pair, for load balancers and scripts. API tokens are made at /login, My account.',
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: { Error: schemaOf(apiError, 'output') },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'bat1.<lookup>.<secret>' },
        login: { type: 'apiKey', in: 'cookie', name: options.cookieName },
      },
    },
  };
}

function operation(definition: AnyRoute, api: PublicApi): Json {
  const { method, url, body, query, params, answer } = definition;
  const needsCsrf = api.takes === 'login' && method !== 'GET';
  const csrf = {
    name: CSRF_HEADER,
    in: 'header',
    required: true,
    schema: { type: 'string' },
    description: 'The CSRF token of the login.',
  };
  const content = answer === undefined ? undefined : { [JSON_TYPE]: { schema: schemaOf(answer, 'output') } };
  const answers = Object.entries(api.alsoAnswers ?? {}).map(([status, description]) => [status, { description, content }]);
  return {
    operationId: `${method.toLowerCase()}${url.replaceAll(/[^a-zA-Z]+([a-zA-Z])?/g, (_, letter: string | undefined) => letter?.toUpperCase() ?? '')}`,
    summary: api.summary,
    ...(api.description !== undefined && { description: api.description }),
    security: api.takes === 'token' ? [{ token: [] }, { login: [] }] : [{ login: [] }],
    parameters: [...parametersOf(params, 'path'), ...parametersOf(query, 'query'), ...(needsCsrf ? [csrf] : [])],
    ...(body !== undefined && {
      requestBody: { required: true, content: { [JSON_TYPE]: { schema: schemaOf(strict(body), 'input') } } },
    }),
    responses: {
      200: { description: 'Done.', ...(content !== undefined && { content }) },
      ...Object.fromEntries(answers),
      default: { description: 'Refused.', content: { [JSON_TYPE]: { schema: { $ref: '#/components/schemas/Error' } } } },
    },
  };
}

function parametersOf(schema: ZodType | undefined, place: 'path' | 'query'): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, field]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: field,
  }));
}

/** `input`: what may be sent; `output`: what is answered. */
function schemaOf(schema: ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { target: 'draft-2020-12', io });
  return rest;
}
