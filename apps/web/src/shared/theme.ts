import { Alert, createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

/** Shades around the token --b-accent; the component library wants ten. */
const accent: MantineColorsTuple = [
  '#e1f0f2',
  '#c6e1e5',
  '#9fcdd4',
  '#6fc3d1',
  '#46a3b1',
  '#2b8593',
  '#1f7380',
  '#17636f',
  '#11525c',
  '#0b3d45',
];

/** Shades around --b-bad, dark enough under white text where the library fills a button with them. */
const red: MantineColorsTuple = [
  '#fce8e6',
  '#f6cac6',
  '#ef9f99',
  '#e5746c',
  '#d84f46',
  '#cc3d33',
  '#c4362d',
  '#b3261e',
  '#8f1e18',
  '#6b1612',
];

/** The library's greys of the dark theme, in the hue of ours; inputs are shade 6, borders 4. */
const dark: MantineColorsTuple = [
  '#e4e8eb',
  '#c5ccd2',
  '#a0abb4',
  '#7d8891',
  '#3a434a',
  '#2a3137',
  '#14181b',
  '#1b1f23',
  '#14171a',
  '#101316',
];

/** Which token an alert's colour stands for. */
const ALERT_TOKENS: Record<string, string> = { red: 'bad', yellow: 'warn', orange: 'warn', green: 'ok' };

/** The component library's theme; sizes and fonts come from tokens.css. */
export const theme = createTheme({
  primaryColor: 'accent',
  primaryShade: { light: 7, dark: 6 },
  colors: { accent, red, dark },
  fontFamily: 'var(--b-font)',
  fontFamilyMonospace: 'var(--b-font-mono)',
  fontSizes: {
    xs: 'var(--b-size-small)',
    sm: 'var(--b-size-text)',
    md: 'var(--b-size-input)',
    lg: 'var(--b-size-title)',
    xl: '1.25rem',
  },
  spacing: { xs: 'var(--b-space-2)', sm: 'var(--b-space-3)', md: 'var(--b-space-4)', lg: 'var(--b-space-6)', xl: '2rem' },
  radius: { xs: '2px', sm: 'var(--b-radius)', md: '6px', lg: '8px', xl: '16px' },
  defaultRadius: 'sm',
  cursorType: 'pointer',
  respectReducedMotion: true,
  headings: {
    fontWeight: '600',
    sizes: { h1: { fontSize: 'var(--b-size-title)', lineHeight: '1.4' }, h2: { fontSize: '0.9375rem', lineHeight: '1.4' } },
  },
  components: {
    Button: { defaultProps: { size: 'xs' } },
    ActionIcon: { defaultProps: { variant: 'subtle' } },
    TextInput: { defaultProps: { size: 'sm' } },
    PasswordInput: { defaultProps: { size: 'sm' } },
    NumberInput: { defaultProps: { size: 'sm' } },
    Select: { defaultProps: { size: 'sm', allowDeselect: false } },
    MultiSelect: { defaultProps: { size: 'sm' } },
    Checkbox: { defaultProps: { size: 'sm' } },
    Modal: { defaultProps: { centered: true, transitionProps: { duration: 0 }, radius: 'md' } },
    Menu: { defaultProps: { transitionProps: { duration: 0 }, shadow: 'md' } },
    Tooltip: { defaultProps: { openDelay: 300 } },
    Text: { defaultProps: { size: 'sm' } },
    Alert: Alert.extend({
      vars: (_, { color }) => {
        const token = ALERT_TOKENS[String(color)] ?? 'accent';
        return {
          root: {
            '--alert-bg': `var(--b-${token}-soft)`,
            '--alert-color': `var(--b-${token})`,
            '--alert-bd': `1px solid var(--b-${token})`,
          },
        };
      },
    }),
  },
});

/** Binds the component library's colours to the tokens, so that there is one place for both themes. */
export const cssVariables: CSSVariablesResolver = () => {
  const both = {
    '--mantine-color-body': 'var(--b-surface)',
    '--mantine-color-text': 'var(--b-text)',
    '--mantine-color-dimmed': 'var(--b-text-quiet)',
    '--mantine-color-default': 'var(--b-raised)',
    '--mantine-color-default-color': 'var(--b-text)',
    '--mantine-color-default-hover': 'var(--b-hover)',
    '--mantine-color-default-border': 'var(--b-line)',
    '--mantine-color-placeholder': 'var(--b-text-quiet)',
    '--mantine-color-anchor': 'var(--b-accent)',
    '--mantine-color-error': 'var(--b-bad)',
    '--mantine-color-disabled': 'var(--b-hover)',
    '--mantine-color-disabled-color': 'var(--b-text-quiet)',
    '--mantine-color-disabled-border': 'var(--b-line)',
    '--mantine-color-red-text': 'var(--b-bad)',
    '--mantine-color-accent-text': 'var(--b-accent)',
    '--mantine-color-accent-light-color': 'var(--b-accent)',
  };
  return { variables: {}, light: both, dark: both };
};
