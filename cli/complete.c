/* SPDX-License-Identifier: BSD-2-Clause */
/* resnet completion: what a shell needs to complete the program's commands,
 * options, words and networks, printed from the tables of options. */
#include "cli.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

/* ------------------------------------------------ what can stand somewhere */

/** What completes an option's value or an operand. */
enum kind { NOTHING, WORDS, NETWORKS, FILES, NETWORKS_AND_FILES };

/* Depths of the paper that stand for a family's pattern. */
static const char *const depths[] = {"20", "32", "44", "56", "110"};
#define PATTERN "{6n+2}"

static void print_networks(void)
{
    const char *name;

    for (size_t i = 0; (name = rn_net_name(i, NULL)); i++) {
        const char *pattern = strstr(name, PATTERN);

        for (size_t k = 0; pattern && k < COUNT(depths); k++)
            printf(" %.*s%s%s", (int)(pattern - name), name, depths[k],
                   pattern + strlen(PATTERN));
        if (!strchr(name, '{'))
            printf(" %s", name);
    }
}

/* "A|B|C" with blanks. */
static void print_words(const char *words)
{
    for (; *words; words++)
        putchar(*words == '|' ? ' ' : *words);
}

static int begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static enum kind kind_of(const struct option *option)
{
    static const char *const files[] = {"FILE",   "MODEL", "DATA",  "RUN",
                                        "RECIPE", "DIR",   "FOLDER"};
    const char *value = options_value(option);

    if (!value)
        return NOTHING;
    if (option->row->words)
        return WORDS;
    if (strcmp(value, "NET") == 0)
        return NETWORKS;
    for (size_t i = 0; i < COUNT(files); i++)
        if (begins(value, files[i]))
            return FILES;
    return NOTHING;
}

/* The words that the first operand is one of, "check|stats", from the synopsis;
 * the length, 0: it is none. */
static int first_words(const struct command *command)
{
    size_t n = strcspn(command->synopsis, " ");
    size_t small = strspn(command->synopsis, "abcdefghijklmnopqrstuvwxyz|");

    return n == small ? (int)n : 0;
}

static enum kind operands_of(const struct command *command)
{
    return strstr(command->synopsis, "NET|MODEL") ? NETWORKS_AND_FILES : FILES;
}

/* For a text in single quotes: `quote` in place of one; characters of `special`
 * behind a backslash. */
static void print_quoted(const char *text, const char *quote,
                         const char *special)
{
    for (; *text; text++) {
        if (strchr(special, *text))
            putchar('\\');
        if (*text == '\'')
            printf("%s", quote);
        else
            putchar(*text);
    }
}

static const char *help_of(const struct option *option, char text[500])
{
    return flags_for_fields(option->row->help, text, 500);
}

/* ------------------------------------------------------------------- bash */

static void bash_value(const struct command *command,
                       const struct option *option)
{
    printf("    %s:--%s)\n", command->name, option->name);
    switch (kind_of(option)) {
    case WORDS:
        printf("        _resnet_words \"");
        print_words(option->row->words);
        printf("\"\n");
        break;
    case NETWORKS:
        printf("        _resnet_words \"$networks\"\n");
        break;
    case FILES:
        printf("        _resnet_files\n");
        break;
    default:
        break;
    }
    printf("        return ;;\n");
}

static void bash_command(const struct command *command)
{
    struct option option;
    int words = first_words(command);

    printf("    %s)\n        flags=\"", command->name);
    for (size_t i = 0; options_at(command, i, &option); i++)
        printf("--%s ", option.name);
    printf("--help\"\n        operands=");
    if (operands_of(command) == NETWORKS_AND_FILES)
        printf("$networks");
    printf("\n");
    if (words) {
        printf("        [ \"$COMP_CWORD\" -eq 2 ] && files= operands=\"");
        for (int i = 0; i < words; i++)
            putchar(command->synopsis[i] == '|' ? ' ' : command->synopsis[i]);
        printf("\"\n");
    }
    printf("        ;;\n");
}

static void print_bash(void)
{
    const struct command *command;
    struct option option;

    printf("# bash completion for resnet; 'resnet completion bash' wrote it.\n"
           "_resnet_words() {\n"
           "    local IFS=$' \\t\\n'\n"
           "    COMPREPLY+=($(compgen -W \"$1\" -- \"$cur\"))\n"
           "}\n\n"
           "_resnet_files() {\n"
           "    local IFS=$'\\n'\n"
           "    compopt -o filenames 2>/dev/null\n"
           "    COMPREPLY+=($(compgen -f -- \"$cur\"))\n"
           "}\n\n"
           "_resnet() {\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]}"
           " prev=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local files=1 flags operands networks=\"");
    print_networks();
    printf("\"\n"
           "    COMPREPLY=()\n"
           "    # --option=value comes in three words\n"
           "    if [ \"$cur\" = = ]; then\n"
           "        cur=\n"
           "    elif [ \"$prev\" = = ]; then\n"
           "        prev=${COMP_WORDS[COMP_CWORD-2]}\n"
           "    fi\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        _resnet_words \"");
    for (size_t c = 0; (command = cli_command(c)); c++)
        printf("%s ", command->name);
    printf("--help --version\"\n"
           "        return\n"
           "    fi\n"
           "    case ${COMP_WORDS[1]}:$prev in\n");
    for (size_t c = 0; (command = cli_command(c)); c++)
        for (size_t i = 0; options_at(command, i, &option); i++)
            if (options_value(&option))
                bash_value(command, &option);
    printf("    esac\n"
           "    case ${COMP_WORDS[1]} in\n");
    for (size_t c = 0; (command = cli_command(c)); c++)
        bash_command(command);
    printf("    *)\n"
           "        return ;;\n"
           "    esac\n"
           "    case $cur in\n"
           "    -*)\n"
           "        _resnet_words \"$flags\" ;;\n"
           "    *)\n"
           "        _resnet_words \"$operands\"\n"
           "        [ -z \"$files\" ] || _resnet_files ;;\n"
           "    esac\n"
           "}\n\n"
           "complete -F _resnet resnet\n");
}

/* -------------------------------------------------------------------- zsh */

static void zsh_kind(enum kind kind, const char *words)
{
    if (kind == WORDS) {
        printf("(");
        print_words(words);
        printf(")");
    } else if (kind == NETWORKS) {
        printf("_resnet_networks");
    } else if (kind == NETWORKS_AND_FILES) {
        printf("_resnet_operands");
    } else if (kind == FILES) {
        printf("_files");
    }
}

static void zsh_option(const struct option *option)
{
    const char *value = options_value(option);
    char help[500];

    printf("            '--%s%s[", option->name, value ? "=" : "");
    print_quoted(help_of(option, help), "'\\''", "[]:\\");
    printf("]");
    if (value) {
        printf(":");
        print_quoted(value, "'\\''", ":\\");
        printf(":");
        zsh_kind(kind_of(option), option->row->words);
    }
    printf("' \\\n");
}

static void print_zsh(void)
{
    const struct command *command;
    struct option option;

    printf("#compdef resnet\n"
           "# zsh completion for resnet; 'resnet completion zsh' wrote it.\n"
           "_resnet_networks() {\n"
           "    local -a networks=(");
    print_networks();
    printf(" )\n"
           "    compadd -a networks\n"
           "}\n\n"
           "_resnet_operands() {\n"
           "    _resnet_networks\n"
           "    _files\n"
           "}\n\n"
           "_resnet() {\n"
           "    local -a commands=(\n");
    for (size_t c = 0; (command = cli_command(c)); c++) {
        printf("        '%s:", command->name);
        print_quoted(command->summary, "'\\''", "");
        printf("'\n");
    }
    printf("    )\n"
           "    if (( CURRENT == 2 )); then\n"
           "        _describe command commands\n"
           "        return\n"
           "    fi\n"
           "    shift words\n"
           "    (( CURRENT-- ))\n"
           "    case $words[1] in\n");
    for (size_t c = 0; (command = cli_command(c)); c++) {
        int words = first_words(command);

        printf("    %s)\n        _arguments \\\n", command->name);
        for (size_t i = 0; options_at(command, i, &option); i++)
            zsh_option(&option);
        if (words) {
            printf("            '1:what:(");
            for (int i = 0; i < words; i++)
                putchar(command->synopsis[i] == '|' ? ' '
                                                    : command->synopsis[i]);
            printf(")' \\\n");
        }
        printf("            '*:argument:");
        zsh_kind(operands_of(command), NULL);
        printf("' ;;\n");
    }
    printf("    esac\n"
           "}\n\n"
           "_resnet \"$@\"\n");
}

/* ------------------------------------------------------------------- fish */

static void fish_option(const struct command *command,
                        const struct option *option)
{
    enum kind kind = kind_of(option);
    char help[500];

    printf("complete -c resnet -n '__fish_seen_subcommand_from %s' -l %s",
           command->name, option->name);
    if (kind == FILES)
        printf(" -r -F");
    else if (options_value(option))
        printf(" -x");
    if (kind == WORDS) {
        printf(" -a '");
        print_words(option->row->words);
        printf("'");
    } else if (kind == NETWORKS) {
        printf(" -a '");
        print_networks();
        printf("'");
    }
    printf(" -d '");
    print_quoted(help_of(option, help), "\\'", "\\");
    printf("'\n");
}

static void print_fish(void)
{
    const struct command *command;
    struct option option;

    printf("# fish completion for resnet; 'resnet completion fish' wrote it.\n"
           "complete -c resnet -n __fish_use_subcommand -f\n");
    for (size_t c = 0; (command = cli_command(c)); c++) {
        int words = first_words(command);

        printf("complete -c resnet -n __fish_use_subcommand -a %s -d '",
               command->name);
        print_quoted(command->summary, "\\'", "\\");
        printf("'\n");
        if (operands_of(command) == NETWORKS_AND_FILES || words) {
            printf("complete -c resnet -n '__fish_seen_subcommand_from %s' "
                   "-a '",
                   command->name);
            for (int i = 0; i < words; i++)
                putchar(command->synopsis[i] == '|' ? ' '
                                                    : command->synopsis[i]);
            if (!words)
                print_networks();
            printf("'\n");
        }
        for (size_t i = 0; options_at(command, i, &option); i++)
            fish_option(command, &option);
    }
}

/* ---------------------------------------------------------- the command */

static const struct {
    const char *name;
    void (*print)(void);
} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

static void defaults(void *options)
{
    (void)options;
}

static int run(const struct command *command, void *options,
               const struct args *args)
{
    (void)options;
    for (size_t i = 0; i < COUNT(shells); i++)
        if (strcmp(shells[i].name, args->operand[0]) == 0) {
            shells[i].print();
            return EXIT_DONE;
        }
    say_error("'%s' is no shell known here; usage: resnet %s %s",
              args->operand[0], command->name, command->synopsis);
    return EXIT_USAGE;
}

const struct command command_completion = {
    .name = "completion",
    .synopsis = "bash|zsh|fish",
    .summary = "Print the completion of commands, options and networks for a "
               "shell.",
    .notes = "bash: source <(resnet completion bash). Installed, the shells "
             "find them.\n",
    .size = 1,
    .min_args = 1,
    .max_args = 1,
    .missing = "bash, zsh or fish",
    .defaults = defaults,
    .run = run,
};
