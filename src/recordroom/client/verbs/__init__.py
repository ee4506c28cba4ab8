"""The verbs of a session by topic: what `Session` has besides working with entities and committing.

Each module gives one class that Session is made of; a verb there checks that the session is open and hands over to the module
that does the work.
"""
