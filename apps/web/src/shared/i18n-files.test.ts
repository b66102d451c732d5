import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LANGUAGES } from '@bascule/protocol/api/common.ts';

const source = join(import.meta.dirname, '..');
/** In these every key is asked for by its full name, so that an unused one can be found. */
const FULLY_NAMED =
  /^(shared|login|appliance|updates|mail|fleet|installers|trust|failover|plans|network|certificates|security|health|storage|syslog|support|reset|restore|backup|vault|file-store):/;
const NAMESPACES = [
  'shared',
  'login',
  'appliance',
  'updates',
  'mail',
  'console',
  'player',
  'fleet',
  'installers',
  'trust',
  'licences',
  'move',
  'failover',
  'plans',
  'network',
  'certificates',
  'health',
  'storage',
  'syslog',
  'support',
  'reset',
  'restore',
  'backup',
  'vault',
  'file-store',
  'security',
  'errors',
];

function texts(language: string, namespace: string): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (value: unknown, path: string): void => {
    if (typeof value === 'string') return void found.set(path, value);
    assert.ok(typeof value === 'object' && value !== null, `${language}/${namespace}: ${path} is neither a text nor a group`);
    for (const [key, inner] of Object.entries(value)) walk(inner, path === '' ? key : `${path}.${key}`);
  };
  walk(JSON.parse(readFileSync(join(source, 'i18n', language, `${namespace}.json`), 'utf8')), '');
  return found;
}

const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1]).toSorted();

for (const namespace of NAMESPACES) {
  const english = texts('en', namespace);
  for (const language of LANGUAGES.filter((known) => known !== 'en')) {
    test(`${language}/${namespace} has the keys and placeholders of English, and no empty text`, () => {
      const translated = texts(language, namespace);
      assert.deepEqual([...translated.keys()].toSorted(), [...english.keys()].toSorted());
      for (const [key, text] of translated) {
        assert.notEqual(text.trim(), '', key);
        // A singular may leave out the number ("one machine").
        if (!key.endsWith('_one')) assert.deepEqual(placeholders(text), placeholders(english.get(key) ?? ''), key);
      }
    });
  }
}

test('every text that the source asks for exists, and every text is asked for', () => {
  const known = new Set(
    NAMESPACES.flatMap((namespace) =>
      [...texts('en', namespace).keys()].map((key) => `${namespace}:${key.replace(/_(one|other)$/, '')}`),
    ),
  );
  const asked = new Set<string>();
  const prefixes: RegExp[] = [];
  for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
    if (!/(?<!\.test)\.tsx?$/.test(entry.name)) continue;
    const content = readFileSync(join(entry.parentPath, entry.name), 'utf8');
    const quoted = new RegExp(`['"](?:${NAMESPACES.join('|')}):[\\w.-]+['"]`, 'g');
    for (const [match] of content.matchAll(quoted)) asked.add(match.slice(1, -1));
    const templated = new RegExp(`\`((?:${NAMESPACES.join('|')}):[^\`]*\\$\\{[^\`]*)\``, 'g');
    for (const [, template = ''] of content.matchAll(templated))
      prefixes.push(new RegExp(`^${template.replaceAll('.', '\\.').replaceAll(/\$\{[^}]*\}/g, '[\\w-]+')}$`));
  }
  assert.ok(asked.size > 100, 'the scan found the texts');
  assert.deepEqual(
    [...asked].filter((key) => !known.has(key)),
    [],
    'asked for, but missing',
  );
  for (const prefix of prefixes)
    assert.ok(
      [...known].some((key) => prefix.test(key)),
      `no text matches ${prefix}`,
    );
  assert.deepEqual(
    [...known].filter((key) => FULLY_NAMED.test(key) && !asked.has(key) && !prefixes.some((prefix) => prefix.test(key))),
    [],
    'never asked for',
  );
});
