/** One message of every kind of a contract, made from its schema: what a release may say on the wire, as text. */
import { z } from 'zod';
import { ID_PREFIX } from '@bascule/core/ids.ts';
import * as applianceControl from '@bascule/protocol/appliance-control.ts';
import * as baseSite from '@bascule/protocol/base-site.ts';
import * as bootBase from '@bascule/protocol/boot-base.ts';
import * as controlLink from '@bascule/protocol/control-link.ts';
import * as relayControl from '@bascule/protocol/relay-control.ts';

/** The contracts between programs of different versions, with the schemas that their messages pass. */
export const CONTRACTS: Record<string, Record<string, z.ZodType>> = {
  'appliance-control': { controlRequest: applianceControl.controlRequest, controlAnswer: applianceControl.controlAnswer },
  'base-site': {
    siteStart: baseSite.siteStart,
    toSite: baseSite.toSite,
    fromSite: baseSite.fromSite,
    preamble: baseSite.preamble,
  },
  'boot-base': { bootToBase: bootBase.bootToBase, baseToBoot: bootBase.baseToBoot },
  'control-link': { fromClient: controlLink.fromClient, toClient: controlLink.toClient },
  'relay-control': { toRelay: relayControl.toRelay, fromRelay: relayControl.fromRelay },
};

/** How bytes stand in a fixture. */
const BYTES_KEY = '$bytes';
const UUID = '01920c5e-7b2a-7c3d-8e4f-0123456789ab';
/** Texts for the patterns that our schemas have; the first that fits is taken. */
const TEXTS = [
  'text',
  ...Object.values(ID_PREFIX).map((prefix) => `${prefix}_${UUID}`),
  'ab'.repeat(32),
  'ab'.repeat(16),
  'YmFzY3VsZQ==',
  '1.2.3',
  '>=1.2.3 <2.0.0',
  '/var/lib/bascule',
  '127.0.0.1',
];

/** A part of JSON Schema, as zod writes it. */
interface Shape {
  const?: unknown;
  enum?: unknown[];
  anyOf?: Shape[];
  oneOf?: Shape[];
  allOf?: Shape[];
  /** Several: any of them. */
  type?: string | string[];
  pattern?: string;
  minLength?: number;
  minimum?: number;
  exclusiveMinimum?: number;
  minItems?: number;
  items?: Shape;
  prefixItems?: Shape[];
  properties?: Record<string, Shape>;
  required?: string[];
  additionalProperties?: Shape | boolean;
  bytes?: boolean;
}

/** Messages of `schema`, by name: every kind with all its fields, and `<kind>, least` with the necessary ones alone. */
export function messagesOf(schema: z.ZodType): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const root = shapeOf(schema);
  for (const shape of root.oneOf ?? root.anyOf ?? [root]) {
    const literal = shape.properties?.['kind']?.const;
    const kind = typeof literal === 'string' ? literal : 'message';
    const full = sample(shape, true);
    const least = sample(shape, false);
    found[kind] = full;
    if (JSON.stringify(full) !== JSON.stringify(least)) found[`${kind}, least`] = least;
  }
  for (const [name, message] of Object.entries(found))
    schema.parse(revive(message), { error: () => `the sample of ${name} does not fit` });
  return found;
}

/** A message as it is after reading a fixture: bytes are bytes again. */
export function revive(message: unknown): unknown {
  if (Array.isArray(message)) return message.map(revive);
  if (typeof message !== 'object' || message === null) return message;
  const bytes = (message as Record<string, unknown>)[BYTES_KEY];
  if (typeof bytes === 'string') return new Uint8Array(Buffer.from(bytes, 'base64'));
  return Object.fromEntries(Object.entries(message).map(([key, value]) => [key, revive(value)]));
}

function shapeOf(schema: z.ZodType): Shape {
  return z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema._zod.def.type === 'custom') jsonSchema['bytes'] = true;
    },
  }) as Shape;
}

/** `full`: with every optional field and the first of every choice; else the necessary fields, and the last choice. */
function sample(shape: Shape, full: boolean): unknown {
  if (shape.bytes) return { [BYTES_KEY]: 'FgMB' };
  if (shape.const !== undefined) return shape.const;
  if (shape.enum) return shape.enum.at(full ? 0 : -1);
  const choices = shape.anyOf ?? shape.oneOf;
  if (choices) return sample(choices.at(full ? 0 : -1)!, full);
  if (Array.isArray(shape.type)) return sample({ ...shape, type: shape.type.at(full ? 0 : -1)! }, full);
  if (shape.allOf) return sample(Object.assign({}, ...shape.allOf) as Shape, full);
  if (shape.type === 'object') return sampleObject(shape, full);
  if (shape.type === 'array') return sampleArray(shape, full);
  if (shape.type === 'string') return sampleText(shape);
  if (shape.type === 'boolean') return full;
  if (shape.type === 'null') return null;
  if (shape.type === 'integer' || shape.type === 'number')
    return Math.max(1, shape.minimum ?? 0, (shape.exclusiveMinimum ?? 0) + 1);
  return 'anything';
}

function sampleObject(shape: Shape, full: boolean): Record<string, unknown> {
  const wanted = Object.entries(shape.properties ?? {}).filter(([name]) => full || shape.required?.includes(name));
  const made: Record<string, unknown> = Object.fromEntries(wanted.map(([name, part]) => [name, sample(part, full)]));
  if (typeof shape.additionalProperties === 'object' && full) made['name'] = sample(shape.additionalProperties, full);
  return made;
}

function sampleArray(shape: Shape, full: boolean): unknown[] {
  if (shape.prefixItems) return shape.prefixItems.map((item) => sample(item, full));
  const length = Math.max(full ? 1 : 0, shape.minItems ?? 0);
  return Array.from({ length }, () => sample(shape.items ?? {}, full));
}

function sampleText(shape: Shape): string {
  const patterns = [shape, ...(shape.allOf ?? [])].flatMap(({ pattern }) =>
    pattern === undefined ? [] : [new RegExp(pattern, 'u')],
  );
  const fitting = TEXTS.find((text) => text.length >= (shape.minLength ?? 0) && patterns.every((pattern) => pattern.test(text)));
  if (fitting === undefined)
    throw new Error(`no sample text fits ${patterns.join(' and ')}: add one to TEXTS in fixture-messages.ts`);
  return fitting;
}
