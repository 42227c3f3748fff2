from rhea.cli import main

main()
