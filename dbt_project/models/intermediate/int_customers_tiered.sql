with tiers as (

    select
        tier,
        place,
        {{ lower_case('tag') }} as tag,
        customer_id,
        connection_id
    from {{ ref('stg_seeds__customer_tiers') }}

),

customers as (

    select
        connection_id,
        customer_id,
        tags
    from {{ ref('stg_unified__customers') }}

),

customer_keys as (

    select
        connection_id,
        customer_id
    from customers
    union
    select
        connection_id,
        customer_id
    from {{ ref('stg_unified__tickets') }}
    where customer_id is not null

),

customer_tags as (

    select distinct
        customers.connection_id,
        customers.customer_id,
        {{ lower_case('tags.tag') }} as tag
    from customers
    {{ join_json_texts('customers.tags', 'tag') }}

),

-- Each kind of row by a join of its own, so that a long list of customers costs no more than a short one.
matches as (

    select
        customer_keys.connection_id,
        customer_keys.customer_id,
        tiers.tier,
        tiers.place,
        tiers.tag
    from customer_keys
    inner join tiers
        on
            customer_keys.customer_id = tiers.customer_id
            and coalesce(customer_keys.connection_id = tiers.connection_id, true)
    union all
    select
        customer_tags.connection_id,
        customer_tags.customer_id,
        tiers.tier,
        tiers.place,
        null as tag
    from customer_tags
    inner join tiers
        on
            customer_tags.tag = tiers.tag
            and tiers.customer_id is null
            and coalesce(customer_tags.connection_id = tiers.connection_id, true)
    union all
    select
        customer_keys.connection_id,
        customer_keys.customer_id,
        tiers.tier,
        tiers.place,
        null as tag
    from customer_keys
    cross join tiers
    where
        tiers.customer_id is null
        and tiers.tag is null
        and coalesce(customer_keys.connection_id = tiers.connection_id, true)

),

ranked_matches as (

    select
        matches.*,
        row_number() over (
            partition by matches.connection_id, matches.customer_id
            order by matches.place asc nulls last, {{ byte_order('matches.tier') }} asc
        ) as number_from_first
    from matches
    left join customer_tags
        on
            matches.connection_id = customer_tags.connection_id
            and matches.customer_id = customer_tags.customer_id
            and matches.tag = customer_tags.tag
    where matches.tag is null or customer_tags.tag is not null

)

select
    customer_keys.connection_id,
    customer_keys.customer_id,
    coalesce(ranked_matches.tier, 'standard') as customer_tier
from customer_keys
left join ranked_matches
    on
        customer_keys.connection_id = ranked_matches.connection_id
        and customer_keys.customer_id = ranked_matches.customer_id
        and ranked_matches.number_from_first = 1
