"""``python -m tallystick.demo [FOLDER]``."""

from tallystick.demo.story import main

if __name__ == "__main__":
    main()
