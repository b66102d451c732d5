/** What wixl makes a Windows package of: WiX source, without anything that differs between two appliances. */
import { createHash } from 'node:crypto';
import { dirname } from 'node:path/posix';

/** Id of the component of a package's main file. */
export const MAIN_COMPONENT = 'main';

/** One file of the program folder. */
export interface MsiFile {
  /** Relative to the program folder, with `/`. */
  path: string;
  /** Where it lies now, relative to the folder of the WiX source. */
  source: string;
}

export interface MsiProgram {
  /** Folder below `%ProgramFiles%\\Bascule`, and key below `HKLM\\Software\\Bascule`. */
  program: string;
  /** What Windows lists it as. */
  title: string;
  version: string;
  files: MsiFile[];
  /** Path of the file whose component, which no version loses, has the registry's values, the service and the entry in PATH. */
  main: string;
  /** The public properties that the registry keeps: value name → property. */
  registry: Record<string, string>;
  /** Default values of public properties. */
  properties: Record<string, string>;
  /** Runs `main` with these arguments as Local System, from the start of the machine; null: no service. */
  service: { name: string; arguments: string } | null;
}

/** The same for every version: by it a new package finds the one before. */
export function upgradeCodeOf(program: string): string {
  return guidOf('upgrade', program);
}

/** The same for every build of a version. */
export function productCodeOf(program: string, version: string): string {
  return guidOf('product', program, version);
}

/** A GUID that the same words always give. */
export function guidOf(...words: string[]): string {
  const bytes = createHash('sha256')
    .update(`bascule windows\0${words.join('\0')}`)
    .digest()
    .subarray(0, 16);
  // Version 8, as RFC 9562 has it for such hashes.
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex').toUpperCase();
  return `{${[hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')}}`;
}

/** The WiX source of a package. Each file is a component of its own, whose code depends on its place alone: a newer package takes over what lies at the same place. */
export function msiSource(what: MsiProgram): string {
  const { program, title, version, files, properties } = what;
  const components: string[] = [];
  const tree = folderTree(files, (file, index) => {
    const id = file.path === what.main ? MAIN_COMPONENT : `part${index}`;
    components.push(`<ComponentRef Id="${id}"/>`);
    return componentOf(what, file, id);
  });
  return `<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
<Product Id="${productCodeOf(program, version)}" Name="${xml(title)}" Language="1033" Version="${version}" Manufacturer="Bascule" UpgradeCode="${upgradeCodeOf(program)}">
<Package InstallerVersion="500" Compressed="yes" InstallScope="perMachine" Description="${xml(title)}" Manufacturer="Bascule"/>
<Media Id="1" Cabinet="program.cab" EmbedCab="yes"/>
<MajorUpgrade DowngradeErrorMessage="A newer version of ${xml(title)} is installed."/>
<Property Id="ARPNOMODIFY" Value="1"/>
<Property Id="MsiHiddenProperties" Value="KEY;PROXY"/>
${Object.entries(properties)
  .map(([name, value]) => `<Property Id="${name}" Value="${xml(value)}"/>`)
  .join('\n')}
${clearing(what)}
<Directory Id="TARGETDIR" Name="SourceDir"><Directory Id="ProgramFiles64Folder"><Directory Id="BASCULE" Name="Bascule"><Directory Id="INSTALLDIR" Name="${program}">
${tree}
</Directory></Directory></Directory></Directory>
<Feature Id="all" Level="1">${components.join('')}</Feature>
</Product>
</Wix>
`;
}

function componentOf({ program, main, service, registry }: MsiProgram, { path, source }: MsiFile, id: string): string {
  const values = Object.entries(registry).map(
    ([name, property]) =>
      `<RegistryValue Root="HKLM" Key="Software\\Bascule\\${program}" Name="${name}" Type="string" Value="[${property}]"/>`,
  );
  const serviceParts = service && [
    `<ServiceInstall Id="service" Name="${service.name}" DisplayName="${service.name}" Type="ownProcess" Start="auto" ErrorControl="normal" Arguments="${xml(service.arguments)}"/>`,
    `<ServiceControl Id="serviceControl" Name="${service.name}" Start="install" Stop="both" Remove="uninstall" Wait="yes"/>`,
  ];
  return [
    `<Component Id="${id}" Guid="${guidOf('component', program, path)}" Win64="yes">`,
    `<File Id="${id}File" Name="${xml(path.split('/').at(-1)!)}" Source="${xml(source)}" KeyPath="yes"/>`,
    ...(path === main ? [...values, ...(serviceParts ?? [])] : []),
    '</Component>',
  ].join('');
}

/** What the program made in its folder goes with it, unless a newer package takes the place over. */
function clearing({ service }: MsiProgram): string {
  if (service === null) return '';
  return `<CustomAction Id="ClearFolder" FileKey="${MAIN_COMPONENT}File" ExeCommand="--clear" Execute="deferred" Impersonate="no" Return="ignore"/>
<InstallExecuteSequence><Custom Action="ClearFolder" After="RemoveRegistryValues">REMOVE="ALL" AND NOT UPGRADINGPRODUCTCODE</Custom></InstallExecuteSequence>`;
}

/** Nested folders with their components; what is deeper comes first, in the order of `files`. */
function folderTree(files: readonly MsiFile[], component: (file: MsiFile, index: number) => string): string {
  interface Folder {
    folders: Map<string, Folder>;
    components: string[];
  }
  const root: Folder = { folders: new Map(), components: [] };
  files.forEach((file, index) => {
    let folder = root;
    const above = dirname(file.path);
    for (const name of above === '.' ? [] : above.split('/')) {
      let next = folder.folders.get(name);
      if (next === undefined) folder.folders.set(name, (next = { folders: new Map(), components: [] }));
      folder = next;
    }
    folder.components.push(component(file, index));
  });
  let count = 0;
  const textOf = (folder: Folder): string =>
    [
      ...Array.from(
        folder.folders,
        ([name, inner]) => `<Directory Id="d${count++}" Name="${xml(name)}">${textOf(inner)}</Directory>`,
      ),
      ...folder.components,
    ].join('\n');
  return textOf(root);
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
