"""What is typed about cities. The lines below are what `./run` prints, and has it know the command."""

#: load FILE         add the cities of a CSV file (- is standard input), or with
#:                   --synthetic N invented ones until there are N
