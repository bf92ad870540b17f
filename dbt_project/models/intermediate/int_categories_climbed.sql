-- One step up at a time, and never more than `category_levels` of them: ids can lead in a ring, or on for ever.
with recursive categories as (

    select
        connection_id,
        category_id,
        parent_category_id,
        is_deleted
    from {{ ref('stg_unified__categories') }}

),

links as (

    select
        categories.connection_id,
        categories.category_id,
        parents.category_id as parent_category_id,
        categories.parent_category_id is not null and parents.category_id is null as is_parent_missing
    from categories
    left join categories as parents
        on
            categories.connection_id = parents.connection_id
            and categories.parent_category_id = parents.category_id
            and not parents.is_deleted

),

climbs as (

    select
        connection_id,
        category_id,
        category_id as ancestor_id,
        parent_category_id as next_id,
        0 as steps
    from links
    union all
    select
        climbs.connection_id,
        climbs.category_id,
        links.category_id as ancestor_id,
        links.parent_category_id as next_id,
        climbs.steps + 1 as steps
    from climbs
    inner join links
        on
            climbs.connection_id = links.connection_id
            and climbs.next_id = links.category_id
    where climbs.steps < {{ var('category_levels') }} and (climbs.steps = 0 or climbs.ancestor_id <> climbs.category_id)

),

-- Whoever comes back to itself is in a ring, and has nobody above it.
in_rings as (

    select distinct
        connection_id,
        category_id
    from climbs
    where steps > 0 and ancestor_id = category_id

),

edges as (

    select
        climbs.connection_id,
        climbs.category_id,
        min(case when in_rings.category_id is not null then climbs.steps end) as steps_to_ring,
        max(case when climbs.steps = {{ var('category_levels') }} and climbs.next_id is not null then 1 else 0 end)
            as goes_on
    from climbs
    left join in_rings
        on
            climbs.connection_id = in_rings.connection_id
            and climbs.ancestor_id = in_rings.category_id
    group by climbs.connection_id, climbs.category_id

),

-- Where no end was reached, the category stands alone.
tops as (

    select
        connection_id,
        category_id,
        steps_to_ring is not null or goes_on = 1 as is_cut,
        coalesce(
            steps_to_ring, case when goes_on = 1 then 0 else {{ var('category_levels') }} end
        ) as most_steps
    from edges

)

select
    climbs.connection_id,
    climbs.category_id,
    climbs.ancestor_id,
    cast(climbs.steps as bigint) as steps,
    tops.is_cut or links.is_parent_missing as is_broken
from climbs
inner join tops
    on
        climbs.connection_id = tops.connection_id
        and climbs.category_id = tops.category_id
        and climbs.steps <= tops.most_steps
inner join links
    on
        climbs.connection_id = links.connection_id
        and climbs.ancestor_id = links.category_id
