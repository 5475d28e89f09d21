/* capacity_search.c: one guest after the other is put somewhere, in every way; what is left over is
 * a situation, and what each situation is worth is kept, so that ways that lead to the same one are
 * followed once. Where the GPUs of a guest come from is only tried out for sets: of its pools it
 * empties the one of its cell before the spare one, which serves guests everywhere.
 */
#include "controller/capacity/capacity_search.h"

#include <stdlib.h>
#include <string.h>

struct search {
	const struct capacity_problem *p;
	size_t size; /* of a state: pools, types, cells */
	struct capacity_memo *memo;
	uint16_t *states;  /* one for each depth */
	unsigned *missing; /* by depth: what the guest that is being put needs yet, by kind */
	unsigned *best;    /* by type and kind: the most that one guest has of one set */
	unsigned most;     /* depth at which all GPUs are given away */
	size_t steps;
	bool failed; /* out of memory */
};

static unsigned solve(struct search *s, unsigned depth);

static const uint16_t *gives_at(const struct capacity_problem *p, size_t type, size_t cell)
{
	return p->gives + (type * p->cells + cell) * p->kinds;
}

/* No more than this fits: a set helps one guest only. */
static unsigned bound_of(const struct search *s, const uint16_t *state)
{
	const struct capacity_problem *p = s->p;
	unsigned bound = 0;

	for (size_t c = 0; c < p->cells; c++)
		bound += state[p->pools + p->types + c];
	for (size_t k = 0; k < p->kinds; k++) {
		unsigned sum = 0;

		for (size_t pool = p->first[k]; pool < p->first[k + 1]; pool++)
			sum += state[pool];
		for (size_t t = 0; t < p->types; t++)
			sum += state[p->pools + t] * s->best[t * p->kinds + k];
		if (sum / p->need[k] < bound)
			bound = sum / p->need[k];
	}
	return bound;
}

/* The guest takes the rest of what it needs from pools: the value of what is left, or 0 when there
 * is not enough. */
static unsigned finish_guest(struct search *s, unsigned depth, size_t cell)
{
	const struct capacity_problem *p = s->p;
	const unsigned *missing = s->missing + depth * p->kinds;
	uint16_t *next = s->states + (depth + 1) * s->size;

	for (size_t k = 0; k < p->kinds; k++) {
		uint16_t *pool = &next[p->pool[k * p->cells + cell]];
		unsigned own = missing[k] < *pool ? missing[k] : *pool;
		unsigned rest = missing[k] - own;

		if (rest > 0 && (p->spare[k] < 0 || next[p->spare[k]] < rest))
			return 0;
		*pool = (uint16_t)(*pool - own);
		if (rest > 0)
			next[p->spare[k]] = (uint16_t)(next[p->spare[k]] - rest);
	}
	next[p->pools + p->types + cell]--;
	return 1 + solve(s, depth + 1);
}

/* What the guest at DEPTH takes of one set of TYPE, from what it misses. False: nothing of use, or
 * too much. */
static bool take_set(const struct search *s, unsigned *missing, size_t type, size_t cell)
{
	const struct capacity_problem *p = s->p;
	const uint16_t *gives = gives_at(p, type, cell);
	bool useful = false;

	if (!p->usable[type * p->cells + cell])
		return false;
	for (size_t k = 0; k < p->kinds; k++) {
		if (p->whole[type] && gives[k] > missing[k])
			return false;
		useful |= gives[k] > 0 && missing[k] > 0;
	}
	for (size_t k = 0; useful && k < p->kinds; k++)
		missing[k] -= gives[k] < missing[k] ? gives[k] : missing[k];
	return useful;
}

struct choice {
	size_t cell;
	unsigned used[CAPACITY_TYPES_MAX]; /* sets of each type */
};

static void restore(struct search *s, unsigned depth, const struct choice *choice)
{
	const uint16_t *state = s->states + depth * s->size;
	uint16_t *next = s->states + (depth + 1) * s->size;

	memcpy(next, state, s->size * sizeof(*next));
	for (size_t t = 0; t < s->p->types; t++)
		next[s->p->pools + t] = (uint16_t)(next[s->p->pools + t] - choice->used[t]);
}

/* Tries every number of sets of each type from TYPE on. */
static void choose_sets(struct search *s, unsigned depth, struct choice *choice, size_t type,
                        unsigned bound, unsigned *best)
{
	const struct capacity_problem *p = s->p;
	unsigned *missing = s->missing + depth * p->kinds;
	unsigned kept[8], *saved = p->kinds <= 8 ? kept : malloc(p->kinds * sizeof(*saved));

	if (!saved) {
		s->failed = true;
		return;
	}
	memcpy(saved, missing, p->kinds * sizeof(*saved));
	if (type == p->types) {
		unsigned value;

		s->steps++;
		restore(s, depth, choice);
		value = finish_guest(s, depth, choice->cell);
		if (value > *best)
			*best = value;
	} else {
		unsigned there = s->states[depth * s->size + p->pools + type];

		for (choice->used[type] = 0;; choice->used[type]++) {
			choose_sets(s, depth, choice, type + 1, bound, best);
			if (*best >= bound || s->failed || s->steps > CAPACITY_STEPS_MAX ||
			    choice->used[type] == there ||
			    !take_set(s, missing, type, choice->cell))
				break;
		}
		choice->used[type] = 0;
	}
	memcpy(missing, saved, p->kinds * sizeof(*saved));
	if (saved != kept)
		free(saved);
}

/* How many guests fit into the state at DEPTH. */
static unsigned solve(struct search *s, unsigned depth)
{
	const struct capacity_problem *p = s->p;
	const uint16_t *state = s->states + depth * s->size;
	size_t bytes = s->size * sizeof(*state);
	struct choice choice = {0};
	unsigned best = 0, bound = bound_of(s, state);

	if (bound == 0 || depth >= s->most || s->failed || s->steps > CAPACITY_STEPS_MAX)
		return 0;
	if (capacity_memo_get(s->memo, state, bytes, &best))
		return best;
	for (size_t c = 0; c < p->cells && best < bound; c++) {
		if (state[p->pools + p->types + c] == 0)
			continue;
		choice.cell = c;
		memcpy(s->missing + depth * p->kinds, p->need, p->kinds * sizeof(*p->need));
		choose_sets(s, depth, &choice, 0, bound, &best);
	}
	if (!s->failed && s->steps <= CAPACITY_STEPS_MAX &&
	    capacity_memo_put(s->memo, state, bytes, best) < 0)
		s->failed = true;
	return best;
}

static void key_add(unsigned char **at, const void *bytes, size_t size)
{
	memcpy(*at, bytes, size);
	*at += size;
}

/* Everything that the answer follows from, as bytes. */
static unsigned char *key_of(const struct capacity_problem *p, size_t *size)
{
	const size_t dimensions[] = {p->kinds, p->cells, p->pools, p->types};
	size_t places = p->types * p->cells, state = p->pools + p->types + p->cells;
	unsigned char *key, *at;

	*size = sizeof(dimensions) + (2 * p->kinds + 1) * sizeof(*p->need) +
	        p->kinds * p->cells * sizeof(*p->pool) + p->kinds * sizeof(*p->spare) +
	        places * p->kinds * sizeof(*p->gives) + p->types * sizeof(*p->whole) +
	        places * sizeof(*p->usable) + state * sizeof(*p->state);
	at = key = malloc(*size);
	if (!key)
		return NULL;
	key_add(&at, dimensions, sizeof(dimensions));
	key_add(&at, p->need, p->kinds * sizeof(*p->need));
	key_add(&at, p->first, (p->kinds + 1) * sizeof(*p->first));
	key_add(&at, p->pool, p->kinds * p->cells * sizeof(*p->pool));
	key_add(&at, p->spare, p->kinds * sizeof(*p->spare));
	key_add(&at, p->gives, places * p->kinds * sizeof(*p->gives));
	key_add(&at, p->whole, p->types * sizeof(*p->whole));
	key_add(&at, p->usable, places * sizeof(*p->usable));
	key_add(&at, p->state, state * sizeof(*p->state));
	return key;
}

static void best_fill(struct search *s)
{
	const struct capacity_problem *p = s->p;

	for (size_t t = 0; t < p->types; t++) {
		for (size_t k = 0; k < p->kinds; k++) {
			unsigned best = 0;

			for (size_t c = 0; c < p->cells; c++) {
				unsigned give =
				    p->usable[t * p->cells + c] ? gives_at(p, t, c)[k] : 0;

				best = give > best ? give : best;
			}
			s->best[t * p->kinds + k] = best < p->need[k] ? best : p->need[k];
		}
	}
}

static int search(const struct capacity_problem *p, struct capacity_memo *scratch, unsigned *guests,
                  bool *at_least)
{
	struct search s = {.p = p, .size = p->pools + p->types + p->cells, .memo = scratch};

	*guests = 0;
	s.best = calloc(p->types * p->kinds + 1, sizeof(*s.best));
	if (!s.best)
		return -1;
	best_fill(&s);
	s.most = bound_of(&s, p->state);
	s.states = malloc(((size_t)s.most + 2) * s.size * sizeof(*s.states));
	s.missing = malloc(((size_t)s.most + 2) * p->kinds * sizeof(*s.missing));
	if (s.states && s.missing) {
		capacity_memo_clear(scratch);
		memcpy(s.states, p->state, s.size * sizeof(*s.states));
		*guests = solve(&s, 0);
	} else {
		s.failed = true;
	}
	free(s.states);
	free(s.missing);
	free(s.best);
	*at_least = s.steps > CAPACITY_STEPS_MAX && *guests < s.most;
	return s.failed ? -1 : 0;
}

int capacity_search(const struct capacity_problem *problem, struct capacity_memo *before,
                    struct capacity_memo *scratch, unsigned *guests, bool *at_least)
{
	struct capacity_problem p = *problem;
	unsigned char *key;
	unsigned answer;
	size_t size;
	int rc = 0;

	key = key_of(&p, &size);
	if (!key)
		return -1;
	if (capacity_memo_get(before, key, size, &answer)) {
		*guests = answer / 2;
		*at_least = answer % 2;
	} else {
		rc = search(&p, scratch, guests, at_least);
		if (rc == 0)
			rc = capacity_memo_put(before, key, size, 2 * *guests + *at_least);
	}
	free(key);
	return rc;
}
