import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Checkbox, NumberInput, Select, TextInput } from '@mantine/core';
import { createdInstallerToken } from '@bascule/protocol/api/jump.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { GroupSelect } from './GroupSelect.tsx';
import type { CreatedInstallerToken } from './InstallerTokensPage.tsx';
import { useRefreshJump } from './jump-queries.ts';

const VALIDITIES_HOURS = [1, 24, 7 * 24, 30 * 24, 365 * 24] as const;
const NAME_MAX_CHARACTERS = 64;
const USES_MAX = 100_000;

/** Asks for name, validity, uses, Jump Group and approval of a new installer token. */
export function CreateTokenDialog({
  onCreated,
  onClose,
}: {
  onCreated: (created: CreatedInstallerToken) => void;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshJump();
  const [name, setName] = useState('');
  const [validForHours, setValidForHours] = useState<number>(24);
  const [uses, setUses] = useState<number>(1);
  const [groupId, setGroupId] = useState<string | null>(null);
  const [approveEach, setApproveEach] = useState(true);
  const create = async () => {
    onCreated(
      await api.post(apiPaths.installerTokens, createdInstallerToken, { name, validForHours, uses, groupId, approveEach }),
    );
    await refresh();
  };
  return (
    <FormDialog title={t('login:token.createTitle')} confirm={t('login:token.create')} onSubmit={create} onClose={onClose}>
      {(faultOf) => (
        <>
          <TextInput
            label={t('login:token.name')}
            error={faultOf('body.name')}
            description={t('login:token.nameNote')}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            maxLength={NAME_MAX_CHARACTERS}
            required
            withAsterisk={false}
            data-autofocus
          />
          <Select
            label={t('login:token.validFor')}
            data={VALIDITIES_HOURS.map((hours) => ({ value: String(hours), label: t(`login:token.validities.${hours}`) }))}
            value={String(validForHours)}
            onChange={(hours) => setValidForHours(Number(hours))}
          />
          <NumberInput
            label={t('login:token.machines')}
            value={uses}
            onChange={(value) => setUses(Number(value))}
            min={1}
            max={USES_MAX}
            allowDecimal={false}
            clampBehavior="strict"
          />
          <GroupSelect value={groupId} onChange={setGroupId} />
          <Checkbox
            label={t('login:token.approveEachLabel')}
            description={t('login:token.approveEachNote')}
            checked={approveEach}
            onChange={(event) => setApproveEach(event.currentTarget.checked)}
          />
        </>
      )}
    </FormDialog>
  );
}
