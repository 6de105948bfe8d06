"""The audit report: `view` says what was decided, `render` draws it, `seal` signs it. Nothing here judges again."""
