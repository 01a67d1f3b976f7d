/**
 * Tailwind CSS v4 with a JS config at the project root, loaded by `@config` in static/src/app.css.
 *
 * Colours are closed on purpose: only the tokens of static/src/tokens.css exist, so nobody can
 * reach for an off-palette `text-gray-400` whose contrast was never checked.
 * @type {import('tailwindcss').Config}
 */
const token = (name) => `var(--ph-${name})`;
const tones = (...names) => Object.fromEntries(names.map((n) => [n, token(n)]));

export default {
  content: ['./views/**/*.templ', './static/src/*.js'],
  theme: {
    colors: {
      transparent: 'transparent',
      current: 'currentColor',
      ...tones(
        'canvas', 'surface', 'sunken', 'raised', 'line', 'line-strong', 'control',
        'ink', 'muted', 'subtle', 'primary', 'primary-hover', 'on-primary',
        'accent', 'accent-soft', 'focus', 'brass',
        'success', 'success-soft', 'warning', 'warning-soft',
        'danger', 'danger-soft', 'danger-solid', 'on-danger',
        'risk-low', 'risk-low-soft', 'risk-medium', 'risk-medium-soft',
        'risk-high', 'risk-high-soft', 'risk-critical', 'risk-critical-solid',
        'chart-1', 'chart-2', 'chart-3', 'chart-fail', 'chart-grid', 'chart-low', 'chart-medium', 'chart-high', 'chart-critical',
        'thumb', 'mark-edge', 'scrim',
      ),
    },
    fontSize: {
      '2xs': ['0.6875rem', { lineHeight: '1rem' }],
      xs: ['0.75rem', { lineHeight: '1rem' }],
      sm: ['0.8125rem', { lineHeight: '1.25rem' }],
      base: ['0.875rem', { lineHeight: '1.25rem' }],
      md: ['1rem', { lineHeight: '1.5rem' }],
      lg: ['1.125rem', { lineHeight: '1.625rem', letterSpacing: '-0.01em' }],
      xl: ['1.25rem', { lineHeight: '1.75rem', letterSpacing: '-0.014em' }],
      '2xl': ['1.5rem', { lineHeight: '2rem', letterSpacing: '-0.02em' }],
      '3xl': ['1.875rem', { lineHeight: '2.25rem', letterSpacing: '-0.024em' }],
    },
    borderRadius: { none: '0', sm: '4px', md: '6px', lg: '8px', xl: '12px', full: '9999px' },
    boxShadow: {
      none: 'none',
      control: 'var(--ph-shadow-control)',
      overlay: 'var(--ph-shadow-overlay)',
      drawer: 'var(--ph-shadow-drawer)',
    },
    fontFamily: {
      sans: ['"Geist Variable"', 'ui-sans-serif', 'system-ui', '-apple-system', '"Segoe UI"', 'sans-serif'],
      mono: ['"Geist Mono Variable"', 'ui-monospace', 'SFMono-Regular', 'Menlo', 'Consolas', 'monospace'],
    },
    extend: {
      spacing: { 4.5: '1.125rem', 13: '3.25rem', sidebar: '15rem', drawer: '36rem' },
    },
  },
  plugins: [],
};
