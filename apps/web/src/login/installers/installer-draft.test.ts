import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createInstallerBody } from '@bascule/protocol/api/installers.ts';
import { faultsOf, FIRST_DRAFT, stepOfField, STEPS, USES_LIMITS, VALIDITIES_HOURS } from './installer-draft.ts';

test('the wizard asks for every field of the API in one of its steps', () => {
  for (const field of Object.keys(createInstallerBody.shape)) assert.ok(stepOfField(`body.${field}`), field);
  assert.equal(stepOfField('body.tags[3]'), 'place');
  assert.equal(stepOfField(undefined), undefined);
});

test('only the name is missing at first, and a step says what is wrong in it', () => {
  assert.deepEqual(
    STEPS.flatMap((step) => faultsOf(step, FIRST_DRAFT)),
    ['name'],
  );
  const draft = { ...FIRST_DRAFT, name: 'Web servers', uses: 0, tags: ['x'.repeat(41)] };
  assert.deepEqual(faultsOf('validity', draft), ['uses']);
  assert.deepEqual(faultsOf('place', draft), ['tags']);
});

test('what can be chosen can be sent', () => {
  const { validForHours, uses } = createInstallerBody.shape;
  for (const hours of VALIDITIES_HOURS) assert.ok(validForHours.safeParse(hours).success);
  const { min, max } = USES_LIMITS;
  assert.deepEqual(
    [min, max, min - 1, max + 1].map((value) => uses.safeParse(value).success),
    [true, true, false, false],
  );
});
