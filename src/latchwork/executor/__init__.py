"""How a function runs: the template that imports the app and forks, its children, and the supervisor's end of both."""
