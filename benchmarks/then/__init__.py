"""The experiment of the 2010s, repeated: one connection per request or one that stays, under uWSGI, asked by siege."""
