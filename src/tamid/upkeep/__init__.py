"""The life of a workspace: backup and restore, clearing out, format, what is known of an entity."""
