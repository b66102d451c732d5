import { useTranslation } from 'react-i18next';
import { Fieldset, NumberInput, TextInput } from '@mantine/core';
import type { Endpoint } from '@bascule/protocol/api/failover.ts';
import classes from './failover.module.css';

const HOST_MAX_CHARACTERS = 255;
const PORT_MAX = 65_535;

interface EndpointFieldsProps {
  legend: string;
  note?: string;
  value: Endpoint;
  /** A text `failover:establish.fault.<code>`. */
  fault: 'host' | 'port' | 'shared' | 'same' | undefined;
  onChange: (value: Endpoint) => void;
}

/** Host name or IP address and TLS port of a machine. */
export function EndpointFields({ legend, note, value, fault, onChange }: EndpointFieldsProps) {
  const { t } = useTranslation();
  const text = fault === undefined ? undefined : t(`failover:establish.fault.${fault}`);
  return (
    <Fieldset legend={legend}>
      {note !== undefined && <p className={classes['fieldNote']}>{note}</p>}
      <div className={classes['endpoint']}>
        <TextInput
          label={t('failover:establish.host')}
          value={value.host}
          onChange={(event) => onChange({ ...value, host: event.currentTarget.value })}
          error={fault === 'port' ? undefined : text}
          maxLength={HOST_MAX_CHARACTERS}
          autoComplete="off"
          spellCheck={false}
          required
          withAsterisk={false}
        />
        <NumberInput
          label={t('failover:establish.port')}
          value={Number.isNaN(value.port) ? '' : value.port}
          onChange={(port) => onChange({ ...value, port: port === '' ? Number.NaN : Number(port) })}
          error={fault === 'port' ? text : undefined}
          min={1}
          max={PORT_MAX}
          allowDecimal={false}
          clampBehavior="none"
          hideControls
          required
          withAsterisk={false}
        />
      </div>
    </Fieldset>
  );
}
