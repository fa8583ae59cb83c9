"""VEX in: readers told apart by content (`read`), and what many statements say of one component (`standing`).

    document = read_vex(path)                                  # OpenVEX, CycloneDX or CSAF 2
    verdict = standing_of(statements, ids, subject)            # None where none of them speaks of it

A store keeps statements by their `vulnerabilities`, hands in those that share an id with the advisory or its aliases, and shows
the verdict beside the exposure, which stays.
"""
