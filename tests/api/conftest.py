from tests.support.doctor import doctor, migrated, mysql_like, postgresql, served

__all__ = ["doctor", "migrated", "mysql_like", "postgresql", "served"]
