import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Radio, Skeleton } from '@mantine/core';
import type { Certificate, CertificatesState, CertificateUse } from '@bascule/protocol/api/certificates.ts';
import { certificatesState } from '@bascule/protocol/api/certificates.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { RowMenu, type RowAction } from '../../shared/RowMenu.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatMinute } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { saveFile } from '../../shared/save-file.ts';
import { AcmeSection } from './AcmeSection.tsx';
import { AssignDialog } from './AssignDialog.tsx';
import { DetailsDialog } from './DetailsDialog.tsx';
import { ExportDialog } from './ExportDialog.tsx';
import { ImportDialog } from './ImportDialog.tsx';
import { PairSection } from './PairSection.tsx';
import { RequestDialog } from './RequestDialog.tsx';
import { UseDialog } from './UseDialog.tsx';
import { nameOf, useOf, WARNING_TONES, warningText } from './certificate-texts.ts';
import { useCertificates, useTakeCertificates } from './certificates-queries.ts';
import classes from './certificates.module.css';

const SKELETON_HEIGHT_PX = 420;

type Open =
  | { kind: 'import' | 'request' }
  | { kind: 'details' | 'export' | 'assign'; certificate: Certificate }
  | { kind: 'use'; use: CertificateUse };

/** Security > Certificates (B15-B19, B196-B201). */
export function CertificatesPage() {
  const certificates = useCertificates();
  const { t } = useTranslation();
  if (certificates.data === undefined)
    return certificates.isError ? (
      <QueryFailure query={certificates} />
    ) : (
      <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />
    );
  return <LoadedPage state={certificates.data} />;
}

function LoadedPage({ state }: { state: CertificatesState }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  return (
    <>
      <Section
        title={t('certificates:list.title')}
        note={t('certificates:list.note', { host: state.publicHost })}
        actions={
          <>
            <Button variant="default" onClick={() => setOpen({ kind: 'request' })}>
              {t('certificates:list.request')}
            </Button>
            <Button onClick={() => setOpen({ kind: 'import' })}>{t('certificates:list.import')}</Button>
          </>
        }
      >
        <CertificateTable state={state} onOpen={setOpen} />
      </Section>
      <AcmeSection state={state} />
      <PairSection />
      {open?.kind === 'import' && <ImportDialog onClose={close} />}
      {open?.kind === 'request' && <RequestDialog publicHost={state.publicHost} onClose={close} />}
      {open?.kind === 'details' && <DetailsDialog certificate={open.certificate} onClose={close} />}
      {open?.kind === 'export' && <ExportDialog certificate={open.certificate} onClose={close} />}
      {open?.kind === 'assign' && (
        <AssignDialog
          certificate={open.certificate}
          state={state}
          onChosen={(use) => setOpen({ kind: 'use', use })}
          onClose={close}
        />
      )}
      {open?.kind === 'use' && <UseDialog use={open.use} state={state} onClose={close} />}
    </>
  );
}

function CertificateTable({ state, onOpen }: { state: CertificatesState; onOpen: (open: Open) => void }) {
  const { t } = useTranslation();
  const { dialog, actionsOf } = useRowActions(state, onOpen);
  const columns = useMemo<Column<Certificate>[]>(
    () => [
      {
        key: 'default',
        header: t('certificates:field.default'),
        cell: (row) => (
          <Radio
            name="default-certificate"
            aria-label={t('certificates:list.makeDefault', { name: nameOf(row) })}
            checked={row.used.isDefault}
            disabled={row.state !== 'ready'}
            onChange={() => onOpen({ kind: 'use', use: { ...useOf(state), default: row.id } })}
          />
        ),
      },
      {
        key: 'issuedTo',
        header: t('certificates:field.issuedTo'),
        cell: (row) => <IssuedTo certificate={row} />,
        sortBy: nameOf,
        wrap: true,
      },
      {
        key: 'issuedBy',
        header: t('certificates:field.issuedBy'),
        cell: (row) => row.facts?.issuedBy ?? '–',
        sortBy: (row) => row.facts?.issuedBy ?? '',
        wrap: true,
      },
      {
        key: 'until',
        header: t('certificates:field.until'),
        cell: (row) => <span className="b-mono">{row.facts === null ? '–' : formatMinute(row.facts.notAfterMs)}</span>,
        sortBy: (row) => row.facts?.notAfterMs ?? 0,
      },
      { key: 'use', header: t('certificates:field.use'), cell: (row) => <Uses certificate={row} />, wrap: true },
      { key: 'warnings', header: t('certificates:field.warnings'), cell: (row) => <Warnings certificate={row} />, wrap: true },
      {
        key: 'actions',
        header: t('shared:actions'),
        hideHeader: true,
        cell: (row) => <RowMenu name={nameOf(row)} actions={actionsOf(row)} />,
      },
    ],
    [t, state, onOpen, actionsOf],
  );
  return (
    <>
      <DataTable
        label={t('certificates:list.title')}
        rows={state.certificates}
        rowKey={(row) => row.id}
        columns={columns}
        empty=""
      />
      {dialog}
    </>
  );
}

function useRowActions(state: CertificatesState, onOpen: (open: Open) => void) {
  const { t } = useTranslation();
  const api = useApi();
  const take = useTakeCertificates();
  const { ask, dialog } = useConfirm();
  const actionsOf = (certificate: Certificate): RowAction[] => {
    const name = nameOf(certificate);
    const { id, facts, request } = certificate;
    const remove = async () => take(await api.post(apiPaths.removeCertificate(id), certificatesState));
    const actions: (RowAction | false)[] = [
      facts !== null && { label: t('certificates:action.details'), act: () => onOpen({ kind: 'details', certificate }) },
      certificate.state === 'ready' && {
        label: t('certificates:action.assign'),
        act: () => onOpen({ kind: 'assign', certificate }),
      },
      facts !== null && { label: t('certificates:action.export'), act: () => onOpen({ kind: 'export', certificate }) },
      request !== null && {
        label: t('certificates:action.csr'),
        act: () =>
          void api.getText(apiPaths.certificateRequest(id)).then((text) => saveFile(`${name}.csr`, 'application/pkcs10', text)),
      },
      certificate.mayDelete && {
        label: t('certificates:action.remove'),
        dangerous: true,
        act: () =>
          ask({
            title: t('certificates:remove.title', { name }),
            consequences: t(facts === null ? 'certificates:remove.request' : 'certificates:remove.text'),
            confirm: t('certificates:action.remove'),
            dangerous: true,
            act: remove,
          }),
      },
    ];
    return actions.filter((action) => action !== false);
  };
  return { dialog, actionsOf };
}

function IssuedTo({ certificate }: { certificate: Certificate }) {
  const { t } = useTranslation();
  const { facts, request, source } = certificate;
  const names = (facts?.names ?? request?.names ?? []).filter((name) => name !== nameOf(certificate));
  return (
    <div>
      <div className={classes['name']}>{nameOf(certificate)}</div>
      {names.length > 0 && <div className="b-quiet">{names.join(', ')}</div>}
      <div className="b-quiet">{t(`certificates:source.${source}`)}</div>
    </div>
  );
}

function Uses({ certificate: { used, inUse } }: { certificate: Certificate }) {
  const { t } = useTranslation();
  if (!inUse) return <span className="b-quiet">{t('certificates:use.none')}</span>;
  return (
    <ul className={classes['plain']}>
      {used.forPublicHost && <li>{t('certificates:use.publicHost')}</li>}
      {used.isDefault && <li>{t('certificates:use.default')}</li>}
      {used.byName && <li>{t('certificates:use.byName')}</li>}
      {used.addresses.map((address) => (
        <li key={address} className="b-mono">
          {address}
        </li>
      ))}
    </ul>
  );
}

function Warnings({ certificate: { warnings } }: { certificate: Certificate }) {
  const { t } = useTranslation();
  if (warnings.length === 0) return <StateMark tone="ok">{t('certificates:warning.none')}</StateMark>;
  return (
    <ul className={classes['plain']}>
      {warnings.map((warning) => (
        <li key={warning.code}>
          <StateMark tone={WARNING_TONES[warning.severity]}>{warningText(t, warning)}</StateMark>
        </li>
      ))}
    </ul>
  );
}
