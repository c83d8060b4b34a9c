__all__ = [
    *("bare_tree", "ready_tree", "serve", "served_before", "tree"),
    *("doctor", "migrated", "mysql_like", "postgresql", "served"),
]
